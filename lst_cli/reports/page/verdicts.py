"""Is a model ahead of the baseline, behind it, or is there no clear difference?

Answered from 95% intervals of the difference: paired over the items where both models have the same
items (see :mod:`lst_cli.evaluation.compare`), else from the two accuracies' own intervals (Newcombe 1998, method 10).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lst_cli.artifacts import Artifact
from lst_cli.evaluation.compare import Comparison, compare
from lst_cli.evaluation.scores import ITEMS_FILE
from lst_cli.reports.page.result_rows import AsrRow, ScoreRow
from lst_cli.reports.page.spoken_rows import TtsRow

Standing = Literal["ahead", "behind", "no clear difference"]

ComparedRow = ScoreRow | AsrRow | TtsRow
"""A model's result on a task."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A row against the baseline's row of the same task and direction."""

    row: ComparedRow
    baseline: ComparedRow
    difference: float
    """Accuracy of the row minus the baseline's, with its 95% interval. For ASR: of the word error rates; for TTS: of
    the character error rates."""
    low: float
    high: float
    p: float | None
    """Exact sign test; None if the items could not be paired."""

    @property
    def paired(self) -> bool:
        """Whether both were scored on the same items, and every item's answer is known."""
        return self.p is not None

    @property
    def standing(self) -> Standing:
        """Ahead or behind where the interval excludes zero: higher accuracy is better, and fewer errors."""
        low, high = (self.low, self.high) if isinstance(self.row, ScoreRow) else (-self.high, -self.low)
        if low > 0:
            return "ahead"
        return "behind" if high < 0 else "no clear difference"

    @property
    def equal_positions(self) -> bool | None:
        """Whether both were trained on the same number of positions, to a percent; None if unknown."""
        ours, theirs = self.row.model.budget.positions, self.baseline.model.budget.positions
        if ours is None or theirs is None:
            return None
        return abs(ours - theirs) <= 0.01 * max(ours, theirs)


def unpaired(row: ScoreRow, baseline: ScoreRow) -> tuple[float, float, float]:
    """The difference of two independent shares, with an interval made of the shares' own."""
    difference = row.accuracy - baseline.accuracy
    down = math.hypot(row.accuracy - row.low, baseline.high - baseline.accuracy)
    up = math.hypot(row.high - row.accuracy, baseline.accuracy - baseline.low)
    return difference, max(-1.0, difference - down), min(1.0, difference + up)


def compare_to_baselines(rows: Sequence[ComparedRow], artifacts: Mapping[str, Artifact]) -> list[Verdict]:
    """Every row against a baseline of its task, direction and items; rows without one are skipped.

    Of several baselines, the one trained for the same number of steps is taken, else the first.

    :param artifacts: the ``scores`` artifacts by reference.
    """
    baselines: dict[tuple[Any, ...], list[ComparedRow]] = {}
    for row in rows:
        if row.model.is_baseline:
            baselines.setdefault((row.direction, *row.identity), []).append(row)
    comparisons: dict[tuple[str, str], list[Comparison]] = {}
    verdicts = []
    for row in rows:
        found = baselines.get((row.direction, *row.identity), [])
        if not found or row.model.is_baseline:
            continue
        steps = row.model.budget.steps
        baseline = next((each for each in found if each.model.budget.steps == steps), found[0])
        first, second = artifacts[baseline.scores], artifacts[row.scores]
        pair = (first.reference, second.reference)
        if pair not in comparisons:
            comparisons[pair] = compare(first, second) if _has_items(first) and _has_items(second) else []
        verdict = _verdict(row, baseline, comparisons[pair])
        verdicts += [verdict] if verdict is not None else []
    return verdicts


def _verdict(row: ComparedRow, baseline: ComparedRow, paired: Sequence[Comparison]) -> Verdict | None:
    direction = "asr" if isinstance(row, AsrRow) else row.direction
    for each in paired:
        if each.direction == direction:
            return Verdict(
                row=row, baseline=baseline, difference=each.difference, low=each.low, high=each.high, p=each.p
            )
    if isinstance(row, ScoreRow) and isinstance(baseline, ScoreRow) and row.metric == baseline.metric:
        difference, low, high = unpaired(row, baseline)
        return Verdict(row=row, baseline=baseline, difference=difference, low=low, high=high, p=None)
    return None


def _has_items(artifact: Artifact) -> bool:
    return any(record.path == ITEMS_FILE for record in artifact.files)
