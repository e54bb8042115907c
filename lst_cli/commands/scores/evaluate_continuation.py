"""``lst eval continuation``: generated speech continuations, scored as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from lst_cli.artifacts import Draft, Request
from lst_cli.commands.common import Device, Json, Seed, build, completing, store
from lst_cli.commands.scores.evaluate_speech import EvaluatorName, Language
from lst_cli.commands.speech.vocoder import Speaker
from lst_cli.console import print_json, print_table
from lst_cli.distributed.device import Precision
from lst_cli.evaluation.scores import EVALUATOR


def continuation(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="model/NAME to score.", autocompletion=completing("model"))],
    tokens: Annotated[
        str,
        typer.Option(help="tokens/NAME, whose utterances give the prompts.", autocompletion=completing("tokens")),
    ],
    vocoder: Annotated[
        str,
        typer.Option(
            help="vocoder/NAME, fitted on tokens of the model's quantizer.", autocompletion=completing("vocoder")
        ),
    ],
    lm: Annotated[
        str, typer.Option(help="Language model that scores transcripts: a folder, or a name downloaded before.")
    ],
    evaluator: EvaluatorName = "tiny.en",
    language: Language = "en",
    name: Annotated[str | None, typer.Option(help="Name of the scores.  \\[default: MODEL-continuation]")] = None,
    prompt_seconds: Annotated[
        float, typer.Option(min=0.04, help="Length of a prompt: the start of an utterance.")
    ] = 3.0,
    seconds: Annotated[float, typer.Option(min=0.04, help="Maximum length of a continuation.")] = 6.0,
    utterances: Annotated[
        int, typer.Option(min=0, help="Utterances to continue, drawn by a hash of their ids; 0: all.")
    ] = 1000,
    temperature: Annotated[float, typer.Option(help="Sampling temperature; 0 is greedy decoding.")] = 0.8,
    top_k: Annotated[int, typer.Option(help="Sample from this many likeliest tokens; 0: from all.")] = 25,
    top_p: Annotated[
        float, typer.Option(help="Nucleus sampling: sample from the likeliest tokens with this total probability.")
    ] = 1.0,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1: penalise tokens that occurred before.")] = 1.0,
    seed: Seed = 0,
    with_prompt: Annotated[
        bool, typer.Option("--with-prompt", help="Transcribe and score the prompt together with its continuation.")
    ] = False,
    speaker: Speaker = None,
    precision: Annotated[Precision, typer.Option(help="Precision of the model; part of the result.")] = "float32",
    rows: Annotated[int, typer.Option(min=1, help="Prompts continued in one batch.")] = 32,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Generative perplexity and auto-BLEU of spoken continuations, by an ASR evaluator and a language model."""
    from lst_cli.evaluation.error_rates import NORMALISER
    from lst_cli.evaluation.scores import SCORES, read_scores
    from lst_cli.evaluation.speech.asr_evaluator import find_evaluator
    from lst_cli.evaluation.speech.text_lm import find_text_lm
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.units.tokens import TOKENS
    from lst_cli.vocoder.files import VOCODER, check_quantizer, quantizer_of

    place, files, scorer = store(ctx), find_evaluator(evaluator, language), find_text_lm(lm)
    parents = {
        "model": place.find(model, MODEL),
        "tokens": place.find(tokens, TOKENS),
        "vocoder": place.find(vocoder, VOCODER),
    }
    check_quantizer(parents["vocoder"], quantizer_of(parents["tokens"]).fingerprint, parents["tokens"].reference)
    config = {
        "task": "continuation",
        "task_version": 1,
        "normaliser": NORMALISER,
        EVALUATOR: dict(files.config),
        "lm": dict(scorer.config),
        "prompt_seconds": prompt_seconds,
        "seconds": seconds,
        "utterances": utterances,
        "with_prompt": with_prompt,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
        "seed": seed,
        "speaker": speaker,
        "precision": precision,
    }

    def make(draft: Draft) -> None:
        from lst_cli.evaluation.speech.continuations import make_continuation

        make_continuation(draft, config, parents, files, scorer, rows, device)

    own = name or f"{parents['model'].name}-continuation"
    made = build(ctx, Request(kind=SCORES, name=own, config=config, parents=parents), make)
    _show(made.reference, read_scores(made), json)


def _show(reference: str, result: Mapping[str, Any], json: bool) -> None:
    """Print the figures of the model, below those of the recordings' own continuations."""
    if json:
        print_json({"scores": reference, **result})
        return
    columns = ("continuation", "perplexity", "95% interval", "auto-BLEU", "auto-BLEU-2", "no text", "seconds")
    rows = [_row("original", result["original"]), _row(result["model"]["name"], result)]
    scored_by = f"{result['lm']['name']} · {result[EVALUATOR]['name']}"
    print_table(f"continuation · {scored_by} · n {result['n']:,}", columns, rows)


def _row(label: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    perplexity = figures["perplexity"]
    return (
        label,
        f"{perplexity['value']:.1f}" if perplexity else "",
        f"{perplexity['low']:.1f} to {perplexity['high']:.1f}" if perplexity else "",
        *(f"{figures[key]['value']:.3f}" if figures[key] else "" for key in ("auto_bleu", "auto_bleu_2")),
        f"{figures['without_text']:,}",
        f"{figures['audio_s']:,.0f}",
    )
