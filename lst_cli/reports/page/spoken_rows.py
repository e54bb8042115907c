"""Error rates of ASR transcripts: of original audio, of resynthesised audio, and of speech synthesised by models.

Imports nothing heavy; the recordings are read in :mod:`lst_cli.reports.page.evaluated_speech`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lst_cli.artifacts import Artifact
from lst_cli.artifacts.ancestors import short
from lst_cli.evaluation.compare import SAME
from lst_cli.evaluation.metrics import Interval
from lst_cli.evaluation.scores import EVALUATOR, complete
from lst_cli.reports.page.model_labels import ModelFacts

SpokenAs = Literal["original", "resynthesis", "tts"]
"""Tasks of ``transcripts`` and ``scores`` with ASR transcripts, in the order in which they are shown."""

ORIGINAL = "original audio"

SIMILARITY, OPINIONS = "speaker_similarity", "dnsmos_scores"
"""Entries of a result, as :mod:`lst_cli.evaluation.speech.speech_quality` calls them."""

_ORDER: tuple[SpokenAs, ...] = ("original", "resynthesis", "tts")


@dataclass(frozen=True, kw_only=True)
class SpokenRow:
    """Error rates of an ASR evaluator on the speech of one voice."""

    voice: SpokenAs
    label: str
    """Of the model, or of the voice."""
    scores: str
    """Reference of the artifact."""
    corpus: str
    """Reference of the texts."""
    evaluator: str
    """The ASR evaluator."""
    n: int
    """Utterances."""
    cer: Interval
    wer: Interval
    similarity: float | None = None
    """Cosine of the voice to that of the original audio, where it was measured."""
    opinion: float | None = None
    """DNSMOS of the whole sound, 1 to 5, where it was measured."""


@dataclass(frozen=True, kw_only=True)
class TtsRow(SpokenRow):
    """The same for speech synthesised by a model."""

    model: ModelFacts
    unit_error_rate: float
    """Share of the generated units that change when the audio is tokenized again."""
    generation: float
    """Positions of the global transformer per generated speech token (Table 5 of the paper)."""
    not_ended: int
    """Utterances that were truncated."""
    identity: tuple[Any, ...]
    """Keys that scores must share to be comparable: task, texts, ASR evaluator, vocoder."""
    task: str = "tts"
    direction: str = "tts"


def read_spoken(results: Iterable[tuple[Artifact, Mapping[str, Any], ModelFacts | None]]) -> list[SpokenRow]:
    """The rows of evaluated speech with the rows of their original audio, by corpus and ASR evaluator.

    :raises UserError: a result lacks an entry.
    """
    rows: dict[str, SpokenRow] = {}
    for artifact, result, model in results:
        with complete(artifact):
            original = result.get("original")
            if original is not None:
                rows.setdefault(original["reference"], _original(original, result))
            rows[artifact.reference] = _row(artifact, result, model)
    groups: dict[tuple[str, str], list[SpokenRow]] = {}
    for row in rows.values():
        groups.setdefault((row.corpus, row.evaluator), []).append(row)
    return [row for group in groups.values() for row in sorted(group, key=_place)]


def _place(row: SpokenRow) -> tuple[int, bool]:
    """Originals, then resynthesised audio, then baselines, then LST."""
    return _ORDER.index(row.voice), isinstance(row, TtsRow) and not row.model.is_baseline


def _row(artifact: Artifact, result: Mapping[str, Any], model: ModelFacts | None) -> SpokenRow:
    facts = {"scores": artifact.reference, **_rates(result, result), **_extras(result)}
    if model is None:
        voice: SpokenAs = result["task"]
        label = ORIGINAL if voice == "original" else f"resynthesised, {short(result['vocoder'])}"
        return SpokenRow(voice=voice, label=label, **facts)
    return TtsRow(
        voice="tts",
        label=model.label,
        model=model,
        unit_error_rate=result["unit_error_rate"],
        generation=result["generation_positions"] / max(1, result["speech_tokens"]),
        not_ended=result["not_ended"],
        identity=(*(result.get(key) for key in SAME), json.dumps(result[EVALUATOR]), result["vocoder"]),
        **facts,
    )


def _original(entry: Mapping[str, Any], result: Mapping[str, Any]) -> SpokenRow:
    """The original audio, from a result that was evaluated with it."""
    opinion = _mean(result.get(OPINIONS, {}).get("original", {}).get("overall"))
    rates = _rates(entry, result)
    return SpokenRow(voice="original", label=ORIGINAL, scores=entry["reference"], opinion=opinion, **rates)


def _rates(rates: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "corpus": result["corpus"],
        "evaluator": result[EVALUATOR]["name"],
        "n": rates["n"],
        "cer": _interval(rates["character_errors"]),
        "wer": _interval(rates["word_errors"]),
    }


def _extras(result: Mapping[str, Any]) -> dict[str, float | None]:
    """Measures other than error rates, where they were requested and possible (``lst eval tts --dnsmos``)."""
    return {
        "similarity": _mean(result.get(SIMILARITY)),
        "opinion": _mean(result.get(OPINIONS, {}).get("overall")),
    }


def _mean(entry: Mapping[str, float] | None) -> float | None:
    return None if entry is None else float(entry["value"])


def _interval(entry: Mapping[str, float]) -> Interval:
    return Interval(entry["value"], entry["low"], entry["high"])


def json_spoken(rows: Iterable[SpokenRow]) -> list[dict[str, Any]]:
    """The rows as ``lst report --json`` prints them."""
    return [
        {
            "label": row.label,
            "voice": row.voice,
            "corpus": row.corpus,
            "evaluator": row.evaluator,
            "n": row.n,
            **{f"cer{end}": value for end, value in zip(("", "_low", "_high"), _ends(row.cer), strict=True)},
            **{f"wer{end}": value for end, value in zip(("", "_low", "_high"), _ends(row.wer), strict=True)},
            "unit_error_rate": row.unit_error_rate if isinstance(row, TtsRow) else None,
            "generation": row.generation if isinstance(row, TtsRow) else None,
            "similarity": row.similarity,
            "opinion": row.opinion,
            "scores": row.scores,
        }
        for row in rows
    ]


def _ends(found: Interval) -> tuple[float, float, float]:
    return found.value, found.low, found.high
