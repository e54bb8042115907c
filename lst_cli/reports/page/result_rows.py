"""Rows of the tables: one for each result of each ``scores`` artifact, with the training budget of its model.

Imports nothing heavy: ``lst report --json`` prints these rows when the page is up to date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.evaluation.compare import SAME
from lst_cli.evaluation.scores import complete, read_scores
from lst_cli.reports.page.model_labels import ModelFacts, model_facts, model_labels
from lst_cli.reports.page.spoken_rows import SpokenRow, TtsRow, json_spoken, read_spoken


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """An accuracy."""

    model: ModelFacts
    scores: str
    """Reference of the artifact."""
    task: str
    direction: str
    metric: str
    n: int
    accuracy: float
    low: float
    high: float
    chance: float
    identity: tuple[Any, ...]
    """Keys that scores must share to be comparable: task, its version, the scorer's version, the items' checksum."""


@dataclass(frozen=True, kw_only=True)
class AblatedRow:
    """Scores with a part of the model or of the prompt switched off."""

    model: ModelFacts
    scores: str
    """Reference of the artifact."""
    ablation: str
    """As ``lst eval --ablate`` takes it."""
    identity: tuple[Any, ...]
    """See :class:`ScoreRow`."""


@dataclass(frozen=True, kw_only=True)
class AsrRow:
    """A word error rate."""

    model: ModelFacts
    scores: str
    """Reference of the artifact."""
    n: int
    """Utterances."""
    n_words: int
    wer: float
    low: float
    high: float
    cer: float
    words: Mapping[str, int]
    """Words ``substitutions``, ``deletions`` and ``insertions``."""
    speech_tokens: int
    context_positions: int
    """Positions of the prompts (Table 5 of the paper: context units)."""
    worst: Sequence[Mapping[str, Any]]
    """Utterances with the most errors: ``id``, ``errors``, ``reference``, ``transcript``."""
    identity: tuple[Any, ...]
    """See :class:`ScoreRow`."""
    corpus: str = ""
    """Reference of the recordings."""
    task: str = "asr"
    direction: str = "s-t"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """All results, in the order of the artifacts given."""

    scores: list[ScoreRow]
    asr: list[AsrRow]
    spoken: list[SpokenRow] = field(default_factory=list)
    """Speech with ASR transcripts, by corpus and ASR evaluator, the original audio first."""
    ablated: list[AblatedRow] = field(default_factory=list)
    """Ablated scores, in no table."""
    unknown: list[str] = field(default_factory=list)
    """Results that this report has no table for."""
    labels: dict[str, str]
    """Label of every model of the page by fingerprint; its index is its colour. Baselines are first."""

    @property
    def tts(self) -> list[TtsRow]:
        """Speech synthesised by models."""
        return [row for row in self.spoken if isinstance(row, TtsRow)]

    @property
    def models(self) -> list[ModelFacts]:
        """Every model that was scored, once, in the order of their labels."""
        rows: list[ScoreRow | AsrRow | TtsRow] = [*self.scores, *self.asr, *self.tts]
        found = {row.model.fingerprint: replace(row.model, noise_ms=0.0) for row in rows}
        return [found[fingerprint] for fingerprint in self.labels if fingerprint in found]


def read_rows(
    store: Store, scores: Sequence[Artifact], models: Sequence[Artifact] = (), transcripts: Sequence[Artifact] = ()
) -> Rows:
    """Read the results of ``scores`` artifacts, with the budgets of their models where those are on disk.

    :param models: further models that the page names.
    :param transcripts: ASR transcripts of audio that no model synthesised.
    :raises UserError: a result or a metrics log is damaged.
    """
    results = [(artifact, _result(artifact)) for artifact in scores]
    # Fine-tuned models are last, and baselines precede the models that are compared with them.
    order = sorted(results, key=lambda pair: (_tuning(pair[1]), pair[1]["model"]["family"] != "baseline"))
    entries = [result["model"] for _, result in order]
    names = {entry["fingerprint"]: (entry["name"], entry["reference"]) for entry in entries}
    names |= {model.fingerprint: (model.name, model.reference) for model in models}
    labels = model_labels(names)
    rows = Rows(scores=[], asr=[], labels=labels)
    # Recordings before synthesised speech.
    spoken: list[tuple[Artifact, dict[str, Any], ModelFacts | None]] = [
        (artifact, read_scores(artifact), None) for artifact in transcripts
    ]
    for artifact, result in results:
        model = model_facts(store, artifact, result, labels)
        if _is_evaluated(result):
            spoken.append((artifact, result, model))
        else:
            with complete(artifact):
                _add(rows, artifact, result, model)
    rows.spoken.extend(read_spoken(spoken))
    return rows


def _is_evaluated(result: Mapping[str, Any]) -> bool:
    return "character_errors" in result


def _tuning(result: Mapping[str, Any]) -> int:
    """0 for a pretrained model, 1 for ASR, 2 for TTS."""
    return 2 if _is_evaluated(result) else int("wer" in result)


def _result(artifact: Artifact) -> dict[str, Any]:
    result = read_scores(artifact)
    entry = result.get("model")
    whole = isinstance(entry, dict) and {"name", "reference", "fingerprint", "family", "patching"} <= entry.keys()
    if not whole or "task" not in result:
        raise UserError(
            f"{artifact.reference}: not a result of lst eval",
            found=f"keys {', '.join(result) or 'none'}",
            expected="task and model",
            fix=f"remove it with 'lst artifact rm {artifact.reference}' and score again",
        )
    return result


def _add(rows: Rows, artifact: Artifact, result: Mapping[str, Any], model: ModelFacts) -> None:
    """Append a result to its table."""
    identity = tuple(result.get(key) for key in SAME)
    if "ablation" in result:
        ablation = str(result["ablation"])
        rows.ablated.append(AblatedRow(model=model, scores=artifact.reference, ablation=ablation, identity=identity))
        return
    if "wer" in result:
        keys = ("n", "n_words", "wer", "low", "high", "words", "speech_tokens", "context_positions", "worst")
        facts: dict[str, Any] = {key: result[key] for key in keys}
        facts |= {"cer": result["cer"]["value"], "corpus": str(result.get("corpus", ""))}
        rows.asr.append(AsrRow(model=model, scores=artifact.reference, identity=identity, **facts))
        return
    for row in result.get("results", []):
        facts = {key: row[key] for key in ("direction", "metric", "n", "accuracy", "low", "high", "chance")}
        task = result["task"]
        rows.scores.append(ScoreRow(model=model, scores=artifact.reference, task=task, identity=identity, **facts))
    if not result.get("results"):
        rows.unknown.append(f"{artifact.reference} (task {result['task']})")


def json_rows(rows: Rows) -> dict[str, list[dict[str, Any]]]:
    """The rows as ``lst report --json`` prints them."""
    return {
        "scores": [
            {
                "model": row.model.label,
                "patching": row.model.strategy,
                "task": row.task,
                "direction": row.direction,
                "n": row.n,
                "accuracy": row.accuracy,
                "low": row.low,
                "high": row.high,
                "chance": row.chance,
                "metric": row.metric,
                "steps": row.model.budget.steps,
                "positions": row.model.budget.positions,
                "speech_tokens": row.model.budget.speech_tokens,
            }
            for row in rows.scores
        ],
        "asr": [
            {
                "model": row.model.label,
                "n_words": row.n_words,
                "wer": row.wer,
                "low": row.low,
                "high": row.high,
                "cer": row.cer,
            }
            for row in rows.asr
        ],
        "spoken": json_spoken(rows.spoken),
    }
