"""Divides rows into work units: runs of consecutive rows of about equal cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FEW_UNITS, _MANY_UNITS = 64, 8192
"""A small job has about 64 units for ranks to share, a large one at most 8192 part files."""


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
        """Its part file, named by the rows, so that a part of another division never matches."""
        return f"rows-{self.start:09d}-{self.stop:09d}.parquet"


def unit_cost(total: int, least: int, most: int) -> int:
    """Cost of a work unit; it depends on the total cost only, so all ranks agree.

    :param least: smaller units would not fill batches.
    :param most: the most that a killed rank has to redo, unless there would be too many part files.
    """
    return max(least, min(most, total // _FEW_UNITS), -(-total // _MANY_UNITS))


def divide_rows(cost_R: NDArray[np.int64], least: int, most: int, cost: int | None = None) -> list[WorkUnit]:
    """Divide rows by the cost of each; the result depends on nothing else.

    :param cost: of a unit; None for :func:`unit_cost`.
    """
    import numpy as np

    if not len(cost_R):
        return []
    number_R = (np.cumsum(cost_R) - cost_R) // (cost or unit_cost(int(cost_R.sum()), least, most))
    starts = np.flatnonzero(np.diff(number_R, prepend=-1)).tolist()
    return [WorkUnit(start, stop) for start, stop in zip(starts, [*starts[1:], len(cost_R)], strict=True)]
