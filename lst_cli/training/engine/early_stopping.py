"""Early stopping: the run ends once its validations no longer improve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fairseq2.recipe  # noqa: F401 -- fairseq2.early_stopper can't be imported before it
from fairseq2.early_stopper import EarlyStopper

from lst_cli.console import say
from lst_cli.training.metrics.metrics_log import read_metrics_log


@dataclass(frozen=True, kw_only=True)
class Patience:
    """When to stop, computed from the metrics log: a resumed run decides as an uninterrupted one."""

    metric: str
    """Lower is better; summed over the validation sets that have it."""
    validations: int
    """Stop after this many validations without improvement."""

    def used_up(self, records: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the last validations brought no improvement over those before."""
        values = self._values(records)
        if not values:
            return False
        return len(values) - 1 - values.index(min(values)) >= self.validations

    def _values(self, records: Sequence[Mapping[str, Any]]) -> list[float]:
        """The metric of each validation, in order."""
        by_step: dict[int, float] = {}
        for record in records:
            if record["split"] == "valid" and self.metric in record:
                by_step[record["step"]] = by_step.get(record["step"], 0.0) + record[self.metric]
        return [by_step[step] for step in sorted(by_step)]


def has_stopped_early(patience: Patience | None, log: Path, step: int) -> bool:
    """Whether the run whose last checkpoint is of ``step`` has stopped early."""
    if patience is None:
        return False
    return patience.used_up([record for record in read_metrics_log(log) if record["step"] <= step])


class PatienceStopper(EarlyStopper):
    """Reads the metrics log after each validation. fairseq2 calls it in the first process, and informs the others."""

    def __init__(self, patience: Patience, log: Path) -> None:
        self._patience = patience
        self._log = log

    def should_stop(self, step_nr: int, score: float) -> bool:
        """Whether to stop after this validation, whose record is in the log by now."""
        stop = self._patience.used_up(read_metrics_log(self._log))
        if stop:
            say(f"stopped after step {step_nr}: {self._patience.validations} validations without improvement")
        return stop
