"""Recordings that an ASR evaluator transcribed, next to each other: original, resynthesised, and synthesised by models.

The utterances with recordings were chosen when they were evaluated
(:data:`lst_cli.evaluation.speech.speech_evaluation.EXAMPLES`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.manifest import MANIFEST
from lst_cli.evaluation.scores import ITEMS_FILE, read_scores
from lst_cli.reports.page.result_rows import AsrRow, Rows
from lst_cli.reports.page.spoken_rows import SpokenRow


@dataclass(frozen=True, kw_only=True)
class VoiceSample:
    """An utterance in one voice: a recording with its ASR transcript."""

    row: SpokenRow
    transcript: str
    """Of the ASR evaluator."""
    cer: float
    """Character errors per character of the text; may exceed 1."""
    seconds: float
    audio: str
    """``data:`` address; empty if the output is empty or the recording was not kept."""


@dataclass(frozen=True, kw_only=True)
class AsrHypothesis:
    """Transcript of the original audio by a model that was fine-tuned for ASR."""

    row: AsrRow
    transcript: str
    cer: float


@dataclass(frozen=True, kw_only=True)
class SpokenUtterance:
    """One utterance on the page."""

    id: str
    text: str
    samples: list[VoiceSample]
    hypotheses: list[AsrHypothesis]


@dataclass(frozen=True, kw_only=True)
class EvaluatedSpeech:
    """The speech of one corpus, transcribed by one ASR evaluator."""

    corpus: str
    evaluator: str
    rows: list[SpokenRow]
    utterances: list[SpokenUtterance]


def read_speech(store: Store, rows: Rows, total: int) -> list[EvaluatedSpeech]:
    """The evaluated speech of each corpus, with the recordings of at most ``total`` utterances.

    :raises UserError: a file is damaged.
    """
    groups: dict[tuple[str, str], list[SpokenRow]] = {}
    for row in rows.spoken:
        groups.setdefault((row.corpus, row.evaluator), []).append(row)
    return [
        EvaluatedSpeech(
            corpus=corpus,
            evaluator=evaluator,
            rows=members,
            utterances=_utterances(store, members, rows.asr, corpus, total),
        )
        for (corpus, evaluator), members in groups.items()
    ]


@dataclass(frozen=True)
class _Result:
    """A result on disk."""

    artifact: Artifact
    audio: Mapping[str, str]
    """File of each recording, by id."""
    items: Mapping[str, Mapping[str, Any]]


def _source(store: Store, reference: str) -> _Result | None:
    from lst_cli.artifacts.parquet import read_parquet

    if not (store.root / reference / MANIFEST).is_file():
        return None
    artifact = store.find_any(reference)
    items = {item["id"]: item for item in read_parquet(artifact.file(ITEMS_FILE)).to_pylist()}
    return _Result(artifact, read_scores(artifact).get("audio", {}), items)


def _utterances(
    store: Store, rows: Sequence[SpokenRow], asr: Sequence[AsrRow], corpus: str, total: int
) -> list[SpokenUtterance]:
    found = [(row, source) for row in rows if (source := _source(store, row.scores)) is not None]
    recognised = sorted((row for row in asr if row.corpus == corpus), key=lambda row: not row.model.is_baseline)
    read = [(row, source) for row in recognised if (source := _source(store, row.scores)) is not None]
    voices: dict[str, int] = {}
    for _, source in found:
        for name in source.audio:
            voices[name] = voices.get(name, 0) + 1
    # Utterances with the most voices first: they can be compared.
    chosen = sorted(voices, key=lambda name: -voices[name])[:total]
    return [
        SpokenUtterance(
            id=name,
            text=next(source.items[name]["reference"] for _, source in found if name in source.items),
            samples=[_sample(row, source, name) for row, source in found if name in source.items],
            hypotheses=[_hypothesis(row, source.items[name]) for row, source in read if name in source.items],
        )
        for name in chosen
    ]


def _sample(row: SpokenRow, source: _Result, name: str) -> VoiceSample:
    item = source.items[name]
    return VoiceSample(
        row=row,
        transcript=item["transcript"],
        cer=_rate(item),
        seconds=item["seconds"],
        audio=_audio(source.artifact, source.audio[name]) if name in source.audio and item["seconds"] else "",
    )


def _hypothesis(row: AsrRow, item: Mapping[str, Any]) -> AsrHypothesis:
    return AsrHypothesis(row=row, transcript=item["transcript"], cer=_rate(item))


def _rate(item: Mapping[str, Any]) -> float:
    return float(item["character_errors"]) / max(1, int(item["characters"]))


def _audio(artifact: Artifact, file: str) -> str:
    import soundfile

    from lst_cli.reports.drawing.embedded_audio import small_uri

    samples_T, _ = soundfile.read(artifact.file(file), dtype="float32")
    return small_uri(samples_T)
