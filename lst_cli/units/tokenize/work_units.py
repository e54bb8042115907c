"""A corpus in work units: runs of utterances of about equal cost, for tokenizing and for alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.units.frames import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_UNIT_SAMPLES = 1800 * SAMPLE_RATE
"""A work unit of most corpora holds about half an hour of audio: what a killed rank has to do again at most."""

_LEAST_SAMPLES = 60 * SAMPLE_RATE
"""A minute: less would not fill batches."""

_FEW_UNITS, _MANY_UNITS = 64, 8192
"""A short corpus is divided into about 64 units, for ranks to share; a long one into at most 8192 part files."""

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


def unit_size(samples_U: NDArray[np.int64]) -> int:
    """Audio in a work unit, in samples: by the size of the corpus alone, so that all ranks agree."""
    total = int(samples_U.sum()) + len(samples_U) * _CLIP_SAMPLES
    return max(_LEAST_SAMPLES, min(_UNIT_SAMPLES, total // _FEW_UNITS), -(-total // _MANY_UNITS))


def divide(samples_U: NDArray[np.int64], unit_samples: int | None = None) -> list[WorkUnit]:
    """Divide a corpus, given the length of each utterance at 16 kHz. Depends on nothing else.

    :param unit_samples: audio in a unit; None for :func:`unit_size`.
    """
    import numpy as np

    if not len(samples_U):
        return []
    cost_U = samples_U + _CLIP_SAMPLES
    number_U = (np.cumsum(cost_U) - cost_U) // (unit_samples or unit_size(samples_U))
    starts = np.flatnonzero(np.diff(number_U, prepend=-1)).tolist()
    return [WorkUnit(start, stop) for start, stop in zip(starts, [*starts[1:], len(samples_U)], strict=True)]
