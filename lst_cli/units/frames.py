"""The frame rule: which samples of audio a unit stands for, for every kind of features.

Audio is mono at 16 kHz. Units come at 25 Hz: unit ``i`` of a clip stands for its samples ``[640 i, 640 (i + 1))``,
that is for 40 ms. A clip of ``n`` samples has ``max(1, n // 640)`` units: a rest shorter than a frame has none, but
a clip shorter than one frame has one. The rule depends on nothing but ``n``: not on the features, the batch, or the
window in which a long clip is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lst_cli.audio.sample_rates import RATE_HZ as RATE_HZ
from lst_cli.audio.sample_rates import SAMPLE_RATE as SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRAME_SAMPLES = SAMPLE_RATE // RATE_HZ
"""Samples that one unit stands for."""


def n_frames(samples: int) -> int:
    """The number of units of a clip of ``samples`` samples at 16 kHz."""
    return max(1, samples // FRAME_SAMPLES)


def n_frames_of_many(samples_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """:func:`n_frames` of many clips at once."""
    import numpy as np

    return np.maximum(1, samples_N // FRAME_SAMPLES)
