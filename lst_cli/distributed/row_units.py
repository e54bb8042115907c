"""Rows of a table or a list in work units: runs of neighbouring rows of about equal cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FEW_UNITS, _MANY_UNITS = 64, 8192
"""Little work is divided into about 64 units, for ranks to share; much work into at most 8192 part files."""


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """The rows ``[start, stop)``."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Rows."""
        return self.stop - self.start

    @property
    def file_name(self) -> str:
        """Its part file; names the rows, so that a part of another division is never taken for it."""
        return f"rows-{self.start:09d}-{self.stop:09d}.parquet"


def unit_cost(total: int, least: int, most: int) -> int:
    """Cost of a work unit: by the size of the work alone, so that all ranks agree.

    :param least: less would not fill batches.
    :param most: what a killed rank has to do again at most, unless there would be too many part files.
    """
    return max(least, min(most, total // _FEW_UNITS), -(-total // _MANY_UNITS))


def divide_rows(cost_R: NDArray[np.int64], least: int, most: int, cost: int | None = None) -> list[WorkUnit]:
    """Divide rows, given the cost of each. Depends on nothing else.

    :param cost: of a unit; None for :func:`unit_cost`.
    """
    import numpy as np

    if not len(cost_R):
        return []
    number_R = (np.cumsum(cost_R) - cost_R) // (cost or unit_cost(int(cost_R.sum()), least, most))
    starts = np.flatnonzero(np.diff(number_R, prepend=-1)).tolist()
    return [WorkUnit(start, stop) for start, stop in zip(starts, [*starts[1:], len(cost_R)], strict=True)]
