"""``lst eval asr``: error rates of a model's transcripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.commands.common import Device, Json, MaxRejectRate, build_shared, completing, store
from lst_cli.console import print_json, print_table, say
from lst_cli.distributed.device import Precision

if TYPE_CHECKING:
    from lst_cli.distributed.launcher import Rank
    from lst_cli.distributed.shared_work import SharedParts
    from lst_cli.evaluation.score_stages import AsrScores


def asr(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="model/NAME to score.", autocompletion=completing("model"))],
    tokens: Annotated[
        str,
        typer.Option(help="tokens/NAME of the corpus, by the model's quantizer.", autocompletion=completing("tokens")),
    ],
    corpus: Annotated[str, typer.Option(help="corpus/NAME with the transcripts.", autocompletion=completing("corpus"))],
    name: Annotated[str | None, typer.Option(help="Name of the scores.  \\[default: MODEL-TASK]")] = None,
    precision: Annotated[Precision, typer.Option(help="Precision of the model; part of the result.")] = "float32",
    beams: Annotated[int, typer.Option(min=1, help="Beam size; 1 is greedy decoding.")] = 1,
    rows: Annotated[int, typer.Option(min=1, help="Hypotheses decoded in one batch.")] = 32,
    worst: Annotated[int, typer.Option(min=0, max=20, help="Number of utterances with the most errors to list.")] = 3,
    count_empty: Annotated[
        bool,
        typer.Option(
            "--count-empty",
            help="Also score utterances without words, such as \\[silence]: all their text is insertions.",
        ),
    ] = False,
    max_reject_rate: MaxRejectRate = 0.01,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Word and character error rate on a corpus with transcripts.

    Under torchrun or srun the ranks share the work. A killed run resumes.
    """
    from lst_cli.audio.corpus_artifact import CORPUS
    from lst_cli.evaluation.error_rates import NORMALISER
    from lst_cli.evaluation.scores import SCORES
    from lst_cli.model_artifact.capabilities import check_task
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.units.tokens import TOKENS

    place = store(ctx)
    parents = {
        "model": place.find(model, MODEL),
        "tokens": place.find(tokens, TOKENS),
        "corpus": place.find(corpus, CORPUS),
    }
    check_task(parents["model"], "asr")

    config = {
        "task": "asr",
        "task_version": 1,
        "normaliser": NORMALISER,
        "beams": beams,
        "precision": precision,
        "count_empty": count_empty,
    }
    request = Request(kind=SCORES, name=name or f"{parents['model'].name}-asr", config=config, parents=parents)

    def work(parts: SharedParts) -> AsrScores:
        from lst_cli.evaluation.score_stages import AsrScores

        return AsrScores(config, parents, rows, device, parts)

    def plan(rank: Rank) -> tuple[Request, Callable[[Draft], None]]:
        from lst_cli.distributed.shared_work import SharedParts

        return request, lambda draft: work(SharedParts(rank, draft.parts)).make(draft, max_reject_rate)

    made = build_shared(ctx, plan, lambda parts: work(parts).share())
    if made is not None:
        _show_asr(made, worst, json)


def _show_asr(scores: Artifact, worst: int, json: bool) -> None:
    """Print the error rates, the positions that the prompts take, and the worst utterances."""
    from lst_cli.evaluation.scores import context_ratio, read_scores

    result = read_scores(scores)
    if json:
        print_json({"scores": scores.reference, **result})
        return
    parts, cer = result["words"], result["cer"]
    share = context_ratio(result["context_positions"], result["speech_tokens"], result["n"])
    print_table(
        f"asr · {result['model']['reference']}",
        ("WER", "95% interval", "S", "D", "I", "words", "CER", "utterances", "context positions"),
        [
            (
                f"{result['wer']:.1%}",
                f"{result['low']:.1%} to {result['high']:.1%}",
                *(f"{parts[key]:,}" for key in ("substitutions", "deletions", "insertions")),
                f"{result['n_words']:,}",
                f"{cer['value']:.1%}",
                f"{result['n']:,}",
                f"{result['context_positions']:,} ({share:.2f} of the tokens)",
            )
        ],
    )
    if empty := result.get("empty"):
        say(
            f"{empty['n']} utterances without words: text on {empty['with_text']} of them, "
            f"{empty['inserted_words']} words in {empty['audio_s']:,.1f} s"
        )
    if shown := result["worst"][:worst]:
        print_table(
            "worst",
            ("id", "errors", "reference", "transcript"),
            [
                (each["id"], f"{each['errors']} in {each['words']} words", each["reference"], each["transcript"])
                for each in shown
            ],
        )
