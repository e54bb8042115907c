"""Numbers over several runs: means, spreads and 95% intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_T_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Student's t that 97.5% lie below, for 1, 2, … degrees of freedom."""


@dataclass(frozen=True, kw_only=True)
class SeedRun:
    """The result of one run of a row, with the 95% interval over its own items."""

    seed: int
    value: float
    low: float
    high: float
    n: int
    """Items, or words of the reference."""
    scores: str
    """Reference of the artifact with the value; of the model, for unscored values."""
    chance: float | None = None


@dataclass(frozen=True, kw_only=True)
class SeedSpread:
    """A mean over runs."""

    mean: float
    std: float | None
    """Between runs, with n - 1; None for a single one."""
    low: float
    high: float
    """95% interval: of the mean over seeds by Student's t; for a single run, over its items."""
    runs: int


def spread(values: Sequence[float]) -> SeedSpread:
    """Mean of two or more runs, with Student's t interval."""
    count = len(values)
    mean = math.fsum(values) / count
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    t = _T_975[count - 2] if count - 2 < len(_T_975) else 1.96 + 2.4 / (count - 1)
    half = t * std / math.sqrt(count)
    return SeedSpread(mean=mean, std=std, low=mean - half, high=mean + half, runs=count)


def of_runs(runs: Sequence[SeedRun]) -> SeedSpread:
    """The runs of one cell together."""
    if len(runs) > 1:
        return spread([run.value for run in runs])
    (run,) = runs
    return SeedSpread(mean=run.value, std=None, low=run.low, high=run.high, runs=1)
