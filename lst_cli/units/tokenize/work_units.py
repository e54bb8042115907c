"""The tokenizing of a corpus in work units: runs of utterances of about equal cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.units.frames import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNIT_SAMPLES = 1800 * SAMPLE_RATE
"""A work unit holds about half an hour of audio: what a killed rank has to do again at most."""

_CLIP_SAMPLES = SAMPLE_RATE // 10
"""Counted for each utterance on top of its audio, so that units of very short clips don't grow long."""


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """The utterances ``[start, stop)`` of a corpus, by row."""

    start: int
    stop: int

    @property
    def file_name(self) -> str:
        """Its part file; names the rows, so that a part of another division is never taken for it."""
        return f"rows-{self.start:09d}-{self.stop:09d}.parquet"


def divide(samples_U: NDArray[np.int64], unit_samples: int = UNIT_SAMPLES) -> list[WorkUnit]:
    """Divide a corpus, given the length of each utterance at 16 kHz. Depends on nothing else."""
    import numpy as np

    if not len(samples_U):
        return []
    cost_U = samples_U + _CLIP_SAMPLES
    number_U = (np.cumsum(cost_U) - cost_U) // unit_samples
    starts = np.flatnonzero(np.diff(number_U, prepend=-1)).tolist()
    return [WorkUnit(start, stop) for start, stop in zip(starts, [*starts[1:], len(samples_U)], strict=True)]
