"""A corpus in work units of about equal amounts of audio, for all stages that read audio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lst_cli.distributed.row_units import WorkUnit, divide_rows
from lst_cli.units.frames import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_SAMPLES = 1800 * SAMPLE_RATE
"""A work unit of most corpora holds about half an hour of audio: the most that a killed rank has to repeat."""

_LEAST_SAMPLES = 60 * SAMPLE_RATE
"""A minute: less would not fill batches."""

_CLIP_SAMPLES = SAMPLE_RATE // 10
"""Counted for each utterance on top of its audio, so that units of very short clips don't grow long."""


def divide(samples_U: NDArray[np.int64], unit_samples: int | None = None) -> list[WorkUnit]:
    """Divide a corpus, given the length of each utterance at 16 kHz. Depends on nothing else.

    :param unit_samples: audio in a unit; None to choose by the size of the corpus.
    """
    return divide_rows(samples_U + _CLIP_SAMPLES, _LEAST_SAMPLES, _MOST_SAMPLES, unit_samples)
