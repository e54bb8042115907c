"""``lst eval tts`` and ``lst eval vocoder``: ASR error rates of generated and of resynthesised speech."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lst_cli.artifacts import Artifact, Draft, Kind, Request
from lst_cli.commands.common import Device, Json, MaxRejectRate, Seed, build_shared, completing, store
from lst_cli.commands.speech.vocoder import Speaker
from lst_cli.console import print_json, print_table
from lst_cli.distributed.device import Precision
from lst_cli.distributed.launcher import ALONE
from lst_cli.evaluation.scores import EVALUATOR, SCORES
from lst_cli.evaluation.speech.speech_results import TRANSCRIPTS

if TYPE_CHECKING:
    from lst_cli.distributed.launcher import Rank
    from lst_cli.evaluation.speech.asr_evaluator import EvaluatorFiles
    from lst_cli.evaluation.speech.speech_results import SpeechStage

EvaluatorName = Annotated[
    str, typer.Option(help="Whisper for faster-whisper: a folder, tiny.en (packaged), or a name it has downloaded.")
]
Language = Annotated[str, typer.Option(help="Language of the audio, for the ASR evaluator.")]
By = Annotated[Literal["line", "sentence"], typer.Option(help="Text that the model speaks in one request.")]
SpeakerModel = Annotated[
    str | None,
    typer.Option(help="Measure speaker similarity with this x-vector model: a folder, or a name downloaded before."),
]
Dnsmos = Annotated[bool, typer.Option("--dnsmos", help="Predict the perceived audio quality with DNSMOS.")]
CorpusReference = Annotated[
    str,
    typer.Option(help="corpus/NAME with the texts, and with the original audio.", autocompletion=completing("corpus")),
]


def tts(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="model/NAME, fine-tuned for TTS.", autocompletion=completing("model"))],
    corpus: CorpusReference,
    vocoder: Annotated[
        str,
        typer.Option(
            help="vocoder/NAME, fitted on tokens of the model's quantizer.", autocompletion=completing("vocoder")
        ),
    ],
    evaluator: EvaluatorName = "tiny.en",
    language: Language = "en",
    name: Annotated[str | None, typer.Option(help="Name of the scores.  \\[default: MODEL-tts]")] = None,
    by: By = "line",
    speaker: Speaker = None,
    temperature: Annotated[float, typer.Option(help="Sampling temperature; 0 is greedy decoding.")] = 0.0,
    top_p: Annotated[
        float, typer.Option(help="Nucleus sampling: sample from the likeliest tokens with this total probability.")
    ] = 1.0,
    seed: Seed = 0,
    precision: Annotated[Precision, typer.Option(help="Precision of the model; part of the result.")] = "float32",
    rows: Annotated[int, typer.Option(min=1, help="Texts spoken in one batch.")] = 32,
    speaker_model: SpeakerModel = None,
    dnsmos: Dnsmos = False,
    max_reject_rate: MaxRejectRate = 0.01,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """ASR error rate of a model's speech, next to that of the original audio.

    Under torchrun or srun the ranks share the work. A killed run resumes.
    """
    from lst_cli.evaluation.scores import model_entry
    from lst_cli.evaluation.speech.speech_quality import Extras
    from lst_cli.model_artifact.capabilities import check_task
    from lst_cli.model_artifact.card import MODEL

    found = store(ctx).find(model, MODEL)
    check_task(found, "tts")
    extras = Extras.find(speaker_model, dnsmos)
    quantizer = model_entry(found)["quantizer"]["fingerprint"]
    work = _Evaluation.find(ctx, corpus, vocoder, evaluator, language, max_reject_rate, {"model": found}, quantizer)
    sampling = {"temperature": temperature, "top_p": top_p, "seed": seed}
    config = {**work.config("tts"), "by": by, "speaker": speaker, **sampling, "precision": precision, **extras.config}

    def stage(device: str) -> SpeechStage:
        from lst_cli.evaluation.speech.tts import tts_stage

        return tts_stage(config, work.parents, work.files, rows, device, extras)

    _show(work.build(SCORES, name or f"{found.name}-tts", config, stage, device), work.original, json)


def vocoder(
    ctx: typer.Context,
    vocoder: Annotated[str, typer.Argument(help="vocoder/NAME", autocompletion=completing("vocoder"))],
    corpus: CorpusReference,
    tokens: Annotated[
        str,
        typer.Option(
            help="tokens/NAME of the corpus, by the vocoder's quantizer.", autocompletion=completing("tokens")
        ),
    ],
    evaluator: EvaluatorName = "tiny.en",
    language: Language = "en",
    name: Annotated[str | None, typer.Option(help="Name of the transcripts.  \\[default: VOCODER-CORPUS]")] = None,
    speaker: Speaker = None,
    speaker_model: SpeakerModel = None,
    dnsmos: Dnsmos = False,
    max_reject_rate: MaxRejectRate = 0.01,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """ASR error rate of resynthesised audio, next to that of the original.

    Under torchrun or srun the ranks share the work. A killed run resumes.
    """
    from lst_cli.evaluation.speech.speech_quality import Extras
    from lst_cli.units.tokens import TOKENS
    from lst_cli.vocoder.files import quantizer_of

    extras = Extras.find(speaker_model, dnsmos)
    found = store(ctx).find(tokens, TOKENS)
    quantizer = quantizer_of(found).fingerprint
    work = _Evaluation.find(ctx, corpus, vocoder, evaluator, language, max_reject_rate, {"tokens": found}, quantizer)
    config = {**work.config("resynthesis"), "speaker": speaker, **extras.config}

    def stage(device: str) -> SpeechStage:
        from lst_cli.evaluation.speech.resynthesis import resynthesis_stage

        return resynthesis_stage(config, work.parents, work.files, device, extras)

    of = work.parents
    made = name or f"{of['vocoder'].name}-{of['corpus'].name}"
    _show(work.build(TRANSCRIPTS, made, config, stage, device), work.original, json)


@dataclass(frozen=True, kw_only=True)
class _Evaluation:
    """Shared by both commands: a vocoder's audio for the texts of a corpus, and an ASR evaluator."""

    ctx: typer.Context
    files: EvaluatorFiles
    parents: Mapping[str, Artifact]
    """``corpus``, ``vocoder``, ``original`` and the command's own."""
    max_reject_rate: float

    @classmethod
    def find(
        cls,
        ctx: typer.Context,
        corpus: str,
        vocoder: str,
        evaluator: str,
        language: str,
        max_reject_rate: float,
        spoken: Mapping[str, Artifact],
        quantizer: str,
    ) -> _Evaluation:
        """Find the artifacts and the ASR evaluator, and transcribe the original audio.

        :param spoken: the source of the units that the vocoder speaks, by role: a model or tokens.
        :param quantizer: fingerprint of its quantizer.
        :raises UserError: the vocoder speaks another quantizer's units, or something is not found.
        """
        from lst_cli.audio.corpus_artifact import CORPUS
        from lst_cli.evaluation.speech.asr_evaluator import find_evaluator
        from lst_cli.vocoder.files import VOCODER, check_quantizer

        place, files = store(ctx), find_evaluator(evaluator, language)
        found = {**spoken, "vocoder": place.find(vocoder, VOCODER), "corpus": place.find(corpus, CORPUS)}
        check_quantizer(found["vocoder"], quantizer, *(each.reference for each in spoken.values()))
        found["original"] = _original(ctx, found["corpus"], files, max_reject_rate)
        return cls(ctx=ctx, files=files, parents=found, max_reject_rate=max_reject_rate)

    @property
    def original(self) -> Artifact:
        """ASR transcripts of the original audio."""
        return self.parents["original"]

    def config(self, task: str) -> dict[str, Any]:
        """The part of a result's config that all tasks share."""
        return _config(task, self.files)

    def build(
        self, kind: Kind, name: str, config: Mapping[str, Any], stage: Callable[[str], SpeechStage], device: str
    ) -> Artifact | None:
        """Transcribe and score, unless up to date; None on any rank but 0.

        :param stage: the work, on a device as torch names it.
        :param device: the option's value.
        """
        from lst_cli.distributed.device import pick_device
        from lst_cli.distributed.shared_work import SharedParts

        request = Request(kind=kind, name=name, config=config, parents=self.parents)

        def plan(rank: Rank) -> tuple[Request, Callable[[Draft], None]]:
            def make(draft: Draft) -> None:
                of_rank = stage(pick_device(device, rank.local))
                of_rank.make(draft, SharedParts(rank, draft.parts), config, self.parents, self.max_reject_rate)

            return request, make

        return build_shared(self.ctx, plan, lambda parts: stage(pick_device(device, parts.rank.local)).share(parts))


def _config(task: str, files: EvaluatorFiles) -> dict[str, Any]:
    from lst_cli.evaluation.error_rates import NORMALISER

    return {"task": task, "task_version": 1, "normaliser": NORMALISER, EVALUATOR: dict(files.config)}


def _original(ctx: typer.Context, corpus: Artifact, files: EvaluatorFiles, max_reject_rate: float) -> Artifact:
    """ASR transcripts of the original audio, made once for all results that are compared with it."""
    from lst_cli.distributed.shared_work import SharedParts

    config, parents = _config("original", files), {"corpus": corpus}
    request = Request(kind=TRANSCRIPTS, name=f"{corpus.name}-original", config=config, parents=parents)

    def stage() -> SpeechStage:
        from lst_cli.evaluation.speech.resynthesis import original_stage

        return original_stage(corpus, files)

    def plan(rank: Rank) -> tuple[Request, Callable[[Draft], None]]:
        return request, lambda draft: stage().make(
            draft, SharedParts(rank, draft.parts), config, parents, max_reject_rate
        )

    built = build_shared(ctx, plan, lambda parts: stage().share(parts))
    if built is None:
        # The evaluation needs it: wait for rank 0 to assemble the parts, or assemble them here if rank 0 has died.
        built = store(ctx).build(*plan(ALONE)).artifact
    return built


def _show(made: Artifact | None, original: Artifact, json: bool) -> None:
    """Print the error rates, those of the original audio first; nothing on any rank but 0."""
    from lst_cli.evaluation.scores import read_scores

    if made is None:
        return
    result = read_scores(made)
    if json:
        print_json({"scores": made.reference, **result})
        return
    more = _extras(result)
    rows = [
        (*_row("original audio", read_scores(original)), *(before for before, _ in more.values())),
        (*_row(made.name, result), *(after for _, after in more.values())),
    ]
    columns = ("audio", "CER", "95% interval", "WER", "95% interval", "n", "units differ", "context", "generated")
    print_table(f"{result['task']} · ASR by {result[EVALUATOR]['name']}", (*columns, *more), rows)


def _row(label: str, result: Mapping[str, Any]) -> tuple[str, ...]:
    shown = [label]
    for key in ("character_errors", "word_errors"):
        errors = result[key]
        shown += [f"{errors['value']:.1%}", f"{errors['low']:.1%} to {errors['high']:.1%}"]
    shown.append(f"{result['n']:,}")
    shown.append(f"{result['unit_error_rate']:.1%}" if "unit_error_rate" in result else "")
    shown += [f"{result[key]:,}" if key in result else "" for key in ("context_positions", "generation_positions")]
    return tuple(shown)


def _extras(result: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Optional columns by title: their values for the original audio and for the evaluated audio."""
    found = {}
    if "speaker_similarity" in result:
        found["same speaker"] = ("", _mean(result["speaker_similarity"]))
    if "dnsmos_scores" in result:
        scores = result["dnsmos_scores"]
        found["DNSMOS"] = (_mean(scores["original"]["overall"]), _mean(scores["overall"]))
    return found


def _mean(figure: Mapping[str, Any] | None) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})" if figure is not None else ""
