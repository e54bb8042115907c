"""Recordings that a judge heard, side by side: the original, made again of its tokens, said by models.

Which utterances have recordings was drawn when they were judged
(:data:`lst_cli.evaluation.speech.judged_speech.EXAMPLES`).
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
    """An utterance in one voice."""

    row: SpokenRow
    transcript: str
    """What the judge heard."""
    cer: float
    """Character errors for each character of the text; can pass 1."""
    seconds: float
    audio: str
    """``data:`` address; empty where nothing was said, or the recording was not kept."""


@dataclass(frozen=True, kw_only=True)
class AsrHypothesis:
    """An utterance as a model that was fine-tuned for recognition transcribes its original audio."""

    row: AsrRow
    transcript: str
    cer: float


@dataclass(frozen=True, kw_only=True)
class SpokenUtterance:
    """One utterance on the page."""

    id: str
    text: str
    takes: list[VoiceSample]
    readings: list[AsrHypothesis]


@dataclass(frozen=True, kw_only=True)
class EvaluatedSpeech:
    """Everything that one judge heard of one corpus."""

    corpus: str
    judge: str
    rows: list[SpokenRow]
    said: list[SpokenUtterance]


def read_speech(store: Store, rows: Rows, total: int) -> list[EvaluatedSpeech]:
    """The judged speech of each corpus, with at most ``total`` utterances to hear.

    :raises UserError: a file is damaged.
    """
    groups: dict[tuple[str, str], list[SpokenRow]] = {}
    for row in rows.spoken:
        groups.setdefault((row.corpus, row.judge), []).append(row)
    return [
        EvaluatedSpeech(corpus=corpus, judge=judge, rows=members, said=_said(store, members, rows.asr, corpus, total))
        for (corpus, judge), members in groups.items()
    ]


@dataclass(frozen=True)
class _Source:
    """A result on disk."""

    artifact: Artifact
    audio: Mapping[str, str]
    """File of each recording, by id."""
    items: Mapping[str, Mapping[str, Any]]


def _source(store: Store, reference: str) -> _Source | None:
    from lst_cli.artifacts.parquet import read_parquet

    if not (store.root / reference / MANIFEST).is_file():
        return None
    artifact = store.find_any(reference)
    items = {item["id"]: item for item in read_parquet(artifact.file(ITEMS_FILE)).to_pylist()}
    return _Source(artifact, read_scores(artifact).get("audio", {}), items)


def _said(
    store: Store, rows: Sequence[SpokenRow], asr: Sequence[AsrRow], corpus: str, total: int
) -> list[SpokenUtterance]:
    found = [(row, source) for row in rows if (source := _source(store, row.scores)) is not None]
    listening = sorted((row for row in asr if row.corpus == corpus), key=lambda row: not row.model.is_baseline)
    read = [(row, source) for row in listening if (source := _source(store, row.scores)) is not None]
    voices: dict[str, int] = {}
    for _, source in found:
        for name in source.audio:
            voices[name] = voices.get(name, 0) + 1
    # Those that most voices say: they are told apart by hearing one beside the other.
    chosen = sorted(voices, key=lambda name: -voices[name])[:total]
    return [
        SpokenUtterance(
            id=name,
            text=next(source.items[name]["reference"] for _, source in found if name in source.items),
            takes=[_take(row, source, name) for row, source in found if name in source.items],
            readings=[_reading(row, source.items[name]) for row, source in read if name in source.items],
        )
        for name in chosen
    ]


def _take(row: SpokenRow, source: _Source, name: str) -> VoiceSample:
    item = source.items[name]
    return VoiceSample(
        row=row,
        transcript=item["transcript"],
        cer=_rate(item),
        seconds=item["seconds"],
        audio=_audio(source.artifact, source.audio[name]) if name in source.audio and item["seconds"] else "",
    )


def _reading(row: AsrRow, item: Mapping[str, Any]) -> AsrHypothesis:
    return AsrHypothesis(row=row, transcript=item["transcript"], cer=_rate(item))


def _rate(item: Mapping[str, Any]) -> float:
    return float(item["character_errors"]) / max(1, int(item["characters"]))


def _audio(artifact: Artifact, file: str) -> str:
    import soundfile

    from lst_cli.reports.drawing.embedded_audio import small_uri

    samples_T, _ = soundfile.read(artifact.file(file), dtype="float32")
    return small_uri(samples_T)
