"""How the units of a tokens artifact are used: counts, transitions, runs, and examples of each.

Legend: T units laid end to end, R runs (of one unit repeated), K different units.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.hashing import mix

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

STRETCHES = 3
"""Example runs of each unit."""

_MOST_UNITS = 20_000_000
"""Units looked at: more make no figure here better. 222 hours."""

_RUN_DRAW = 3
"""Id that keeps the draw of runs apart from others with the same seed."""


@dataclass(frozen=True)
class UnitRun:
    """A run of one unit in an utterance."""

    id: str
    first: int
    """Its first frame."""
    frames: int


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The counts."""

    utterances: int
    counts_K: NDArray[np.int64]
    runs_K: NDArray[np.int64]
    """Runs of each unit; ``counts_K / runs_K`` is how many frames one lasts."""
    transitions_KK: NDArray[np.int64]
    """Of a run of the row's unit to one of the column's."""
    examples: list[list[UnitRun]]
    """For each unit up to :data:`STRETCHES` runs, drawn evenly from all."""


def count_usage(tables: Iterable[pa.Table], units: int, seed: int = 0) -> Usage:
    """Count the units of tables in the format of a tokens artifact, up to some 20 million."""
    counts_K, runs_K = np.zeros(units, dtype=np.int64), np.zeros(units, dtype=np.int64)
    transitions_KK = np.zeros((units, units), dtype=np.int64)
    drawn = _Drawn(units)
    utterances = 0
    for table in tables:
        for batch in table.to_batches():
            lists = batch.column("units")
            offsets = lists.offsets.to_numpy().astype(np.int64)
            units_T = lists.values.to_numpy()[offsets[0] : offsets[-1]]
            starts = offsets - offsets[0]
            counts_K += np.bincount(units_T, minlength=units)
            first_R = _run_starts(units_T, starts)
            unit_R = units_T[first_R]
            runs_K += np.bincount(unit_R, minlength=units)
            row_R = np.searchsorted(starts, first_R, side="right") - 1
            within = row_R[1:] == row_R[:-1]
            np.add.at(transitions_KK, (unit_R[:-1][within], unit_R[1:][within]), 1)
            frames_R = np.diff(first_R, append=len(units_T))
            priority_R = mix(seed, _RUN_DRAW, utterances + row_R, first_R - starts[row_R])
            drawn.offer(batch.column("id"), unit_R, row_R, first_R - starts[row_R], frames_R, priority_R)
            utterances += batch.num_rows
        if counts_K.sum() >= _MOST_UNITS:
            break
    return Usage(
        utterances=utterances,
        counts_K=counts_K,
        runs_K=runs_K,
        transitions_KK=transitions_KK,
        examples=drawn.examples(),
    )


def _run_starts(units_T: NDArray[np.uint16], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where a new unit or a new utterance begins."""
    new_T = np.ones(len(units_T), dtype=bool)
    new_T[1:] = units_T[1:] != units_T[:-1]
    new_T[starts[:-1]] = True
    return np.flatnonzero(new_T)


class _Drawn:
    """Keeps the runs of lowest priority of each unit."""

    def __init__(self, units: int) -> None:
        self._kept: list[list[tuple[int, UnitRun]]] = [[] for _ in range(units)]

    def offer(
        self,
        ids: pa.Array,
        unit_R: NDArray[np.uint16],
        row_R: NDArray[np.int64],
        first_R: NDArray[np.int64],
        frames_R: NDArray[np.int64],
        priority_R: NDArray[np.uint64],
    ) -> None:
        """Add runs; only the best few of each unit are compared individually."""
        order = np.lexsort((priority_R, unit_R))
        sorted_R = unit_R[order]
        rank = np.arange(len(order)) - np.searchsorted(sorted_R, sorted_R)
        for run in order[rank < STRETCHES]:
            run_of_unit = UnitRun(ids[int(row_R[run])].as_py(), int(first_R[run]), int(frames_R[run]))
            self._kept[unit_R[run]].append((int(priority_R[run]), run_of_unit))
        for kept in self._kept:
            kept.sort(key=lambda item: item[0])
            del kept[STRETCHES:]

    def examples(self) -> list[list[UnitRun]]:
        """The runs kept of each unit."""
        return [[run_of_unit for _, run_of_unit in kept] for kept in self._kept]
