"""What the tables are made of: one row for each result of each ``scores`` artifact, with what its model read.

Imports nothing heavy: ``lst report --json`` prints these rows when the page is up to date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.manifest import MANIFEST
from lst_cli.errors import UserError
from lst_cli.evaluation.compare import SAME
from lst_cli.evaluation.scores import read_scores
from lst_cli.reports.budget import Budget, read_budget


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """The model behind a result."""

    label: str
    """Its name; with its version where two models share the name."""
    reference: str
    fingerprint: str
    family: str
    patching: Mapping[str, Any]
    budget: Budget
    merged: bool = False
    """Whether speech tokens are merged by a BPE."""

    @property
    def strategy(self) -> str:
        """``none`` for a baseline, ``bpe`` for one with merged speech, else the strategy of training."""
        if self.family == "baseline":
            return "bpe" if self.merged else "none"
        return str(self.patching.get("strategy", "static"))

    @property
    def is_baseline(self) -> bool:
        """Whether every token of this model is a position."""
        return self.strategy == "none"

    @property
    def patching_label(self) -> str:
        """The patching in a few words."""
        if self.is_baseline:
            return "none"
        if self.merged:
            return "speech BPE"
        parts = [f"{self.strategy} {self.patching.get('size', '?')}"]
        if self.strategy != "static" and self.patching.get("silence") == "merged":
            parts.append("sil merged")
        if self.patching.get("boundaries") == "given":
            parts.append("ends given")
        return ", ".join(parts)


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
    """What scores must share to be compared: task, its version, the scorer's, the items' sum."""


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
    """Positions that the prompts take (Table 5 of the paper: context units)."""
    worst: Sequence[Mapping[str, Any]]
    """Utterances with most errors: ``id``, ``errors``, ``reference``, ``transcript``."""
    identity: tuple[Any, ...]
    """See :class:`ScoreRow`."""
    task: str = "asr"
    direction: str = "s-t"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Everything that was scored, in the order of the artifacts given."""

    scores: list[ScoreRow]
    asr: list[AsrRow]
    unknown: list[str]
    """Results that this report has no table for, in words."""
    labels: dict[str, str]
    """Label of every model of the page by fingerprint; its place is its colour. Baselines come first."""

    @property
    def models(self) -> list[ModelFacts]:
        """Every model that was scored, once, in the order of their labels."""
        rows: list[ScoreRow | AsrRow] = [*self.scores, *self.asr]
        found = {row.model.fingerprint: row.model for row in rows}
        return [found[fingerprint] for fingerprint in self.labels if fingerprint in found]


def parent_of_kind(store: Store, artifact: Artifact, kind: str) -> Artifact | None:
    """The parent of this kind, whatever its role; None if there is none, or it is gone from disk."""
    for parent in artifact.parents.values():
        if parent.kind == kind and (store.root / parent.reference / MANIFEST).is_file():
            return store.find_any(parent.reference)
    return None


def read_rows(store: Store, scores: Sequence[Artifact], models: Sequence[Artifact] = ()) -> Rows:
    """Read the results of ``scores`` artifacts, with the budgets of their models where those are on disk.

    :param models: further models that the page names.
    :raises UserError: a result or a training curve is damaged.
    """
    results = [(artifact, _result(artifact)) for artifact in scores]
    # Fine-tuned models come after the others, baselines before what is compared with them.
    order = sorted(results, key=lambda pair: ("wer" in pair[1], pair[1]["model"]["family"] != "baseline"))
    entries = [result["model"] for _, result in order]
    names = {entry["fingerprint"]: (entry["name"], entry["reference"]) for entry in entries}
    names |= {model.fingerprint: (model.name, model.reference) for model in models}
    labels = model_labels(names)
    rows = Rows(scores=[], asr=[], unknown=[], labels=labels)
    for artifact, result in results:
        model = _model(store, artifact, result["model"], labels)
        try:
            _add(rows, artifact, result, model)
        except KeyError as error:
            raise UserError(
                f"{artifact.reference}: the result lacks {error}",
                fix=f"remove it with 'lst artifact rm {artifact.reference}' and score again",
            ) from None
    return rows


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


def model_labels(models: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """A label for each fingerprint, from its (name, reference): the name, with the version where names repeat."""
    names = [name for name, _ in models.values()]
    return {
        fingerprint: name if names.count(name) == 1 else f"{name}/{reference.rsplit('/', 1)[-1][:6]}"
        for fingerprint, (name, reference) in models.items()
    }


def _model(store: Store, scores: Artifact, entry: Mapping[str, Any], labels: Mapping[str, str]) -> ModelFacts:
    artifact = parent_of_kind(store, scores, "model")
    return ModelFacts(
        label=labels[entry["fingerprint"]],
        reference=entry["reference"],
        fingerprint=entry["fingerprint"],
        family=entry["family"],
        patching=entry["patching"],
        merged="speech_bpe" in entry,
        budget=read_budget(artifact) if artifact is not None else Budget(),
    )


def _add(rows: Rows, artifact: Artifact, result: Mapping[str, Any], model: ModelFacts) -> None:
    """Append what a result says to the table that it belongs to."""
    identity = tuple(result.get(key) for key in SAME)
    if "wer" in result:
        keys = ("n", "n_words", "wer", "low", "high", "words", "speech_tokens", "context_positions", "worst")
        facts: dict[str, Any] = {key: result[key] for key in keys}
        cer = result["cer"]["value"]
        rows.asr.append(AsrRow(model=model, scores=artifact.reference, identity=identity, cer=cer, **facts))
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
    }
