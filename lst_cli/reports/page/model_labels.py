"""The models behind results: their labels on a page and their training budgets. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.ancestors import parent_of_kind
from lst_cli.reports.training_budget import Budget, read_budget


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
    noise_ms: float = 0.0
    """How far the word boundaries of the spoken items were moved for the result, in milliseconds."""

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
        learnt = self.strategy in ("hazard", "entropy")  # the rule has its mean length, not the config
        parts = [self.strategy if learnt else f"{self.strategy} {self.patching.get('size', '?')}"]
        if self.strategy in ("aligned", "mixed", "curriculum") and self.patching.get("silence") == "merged":
            parts.append("sil merged")
        if self.patching.get("boundaries") == "given":
            parts.append("boundaries given")
        if self.noise_ms:
            parts.append(f"boundaries moved by {self.noise_ms:g} ms")
        return ", ".join(parts)


def model_labels(models: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """A label for each fingerprint, from its (name, reference): the name, with the version where names repeat."""
    names = [name for name, _ in models.values()]
    return {
        fingerprint: name if names.count(name) == 1 else f"{name}/{reference.rsplit('/', 1)[-1][:6]}"
        for fingerprint, (name, reference) in models.items()
    }


def model_facts(store: Store, scores: Artifact, result: Mapping[str, Any], labels: Mapping[str, str]) -> ModelFacts:
    """The model that a result names.

    :param result: its ``model`` is a :func:`lst_cli.evaluation.scores.model_entry`.
    :param labels: of every model of the page, by fingerprint.
    """
    entry = result["model"]
    artifact = parent_of_kind(store, scores, "model")
    return ModelFacts(
        label=labels[entry["fingerprint"]],
        reference=entry["reference"],
        fingerprint=entry["fingerprint"],
        family=entry["family"],
        patching=entry["patching"],
        merged="speech_bpe" in entry,
        noise_ms=float(result.get("noise_ms", 0.0)),
        budget=read_budget(artifact) if artifact is not None else Budget(),
    )
