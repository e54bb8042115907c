"""The training budget of a model and its metrics log. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact
from lst_cli.training.metrics.metrics_log import METRICS_FILE, read_metrics_log


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The data that a model read in training; None if its artifact does not record it."""

    steps: int | None = None
    chosen_step: int | None = None
    """The step of the model's weights; with validation, not always the last one."""
    positions: int | None = None
    """Global positions (Lu et al. 2025, A.3: units)."""
    tokens: int | None = None
    """Speech tokens and text tokens."""
    speech_tokens: int | None = None
    parameters: int | None = None


def read_metrics(model: Artifact) -> list[dict[str, Any]]:
    """The metrics log of a model artifact, one dict per record; empty if it has none.

    :raises UserError: a record is damaged.
    """
    if not any(record.path == METRICS_FILE for record in model.files):
        return []
    return read_metrics_log(model.file(METRICS_FILE), complete=True)


def read_budget(model: Artifact) -> Budget:
    """The budget of a model, from its statistics and the last record of its metrics log."""
    lines = [line for line in read_metrics(model) if line.get("split", "train") == "train"]
    last = lines[-1] if lines else {}

    def figure(name: str, *also: str) -> int | None:
        for key in (name, *also):
            value = model.statistics.get(key, last.get(key))
            if value is not None:
                return int(value)
        return None

    return Budget(
        steps=figure("steps", "step"),
        chosen_step=figure("chosen_step"),
        positions=figure("positions"),
        tokens=figure("tokens"),
        speech_tokens=figure("speech_tokens"),
        parameters=figure("parameters"),
    )
