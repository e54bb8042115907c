"""Early stopping: the end of a run whose validations no longer get better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fairseq2.recipe  # noqa: F401 -- fairseq2.trainer can't be imported before it
from fairseq2.early_stopper import EarlyStopper
from fairseq2.trainer import Trainer

from lst_cli.console import say
from lst_cli.training.metrics.metrics_log import read_curve


@dataclass(frozen=True, kw_only=True)
class Patience:
    """When to stop, told from the training curve: so a run that goes on after a stop decides as it would have."""

    metric: str
    """Lower is better; summed over the validation sets that have it."""
    validations: int
    """So many without a better one are enough."""

    def used_up(self, lines: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the last validations of a curve brought nothing better than those before."""
        values = self._values(lines)
        if not values:
            return False
        return len(values) - 1 - values.index(min(values)) >= self.validations

    def _values(self, lines: Sequence[Mapping[str, Any]]) -> list[float]:
        """The metric of each validation, in order."""
        by_step: dict[int, float] = {}
        for line in lines:
            if line["split"] == "valid" and self.metric in line:
                by_step[line["step"]] = by_step.get(line["step"], 0.0) + line[self.metric]
        return [by_step[step] for step in sorted(by_step)]


def over(patience: Patience | None, curve: Path, step: int) -> bool:
    """Whether a run whose last checkpoint is of ``step`` has stopped early."""
    return patience is not None and patience.used_up([line for line in read_curve(curve) if line["step"] <= step])


class CurveStopper(EarlyStopper):
    """Asks the curve after each validation. fairseq2 asks in the first process, and tells the others."""

    def __init__(self, patience: Patience, curve: Path) -> None:
        self._patience = patience
        self._curve = curve

    def should_stop(self, step_nr: int, score: float) -> bool:
        """Whether to stop after this validation; its line is in the curve by now."""
        stop = self._patience.used_up(read_curve(self._curve))
        if stop:
            say(f"stopped after step {step_nr}: {self._patience.validations} validations without a better one")
        return stop


def stop_early(trainer: Trainer, patience: Patience, curve: Path) -> None:
    """Have a trainer stop when patience is used up."""
    # fairseq2's trainer knows early stopping, but its recipes (0.8) have no door to it.
    trainer._early_stopper = CurveStopper(patience, curve)
