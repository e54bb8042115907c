"""Where audio is quiet: cutting long recordings there, and telling what has no sound at all.

Legend: T samples at 16 kHz, F frames of 40 ms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lst_cli.units.frames import FRAME_SAMPLES, RATE_HZ

QUIET_FRAMES = 5
"""A cut is made in the middle of the quietest stretch of this many frames: 0.2 s."""


SOUNDLESS = 10.0**-7
"""Mean square below which a frame is inaudible: -70 dB of full scale."""


def has_sound(wave_T: NDArray[np.float32]) -> bool:
    """Whether any whole frame is audible; audio shorter than a frame holds no word."""
    return bool((loudness(wave_T) > SOUNDLESS).any())


def loudness(wave_T: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean square of each whole frame (F)."""
    frames = len(wave_T) // FRAME_SAMPLES
    squares_T = wave_T[: frames * FRAME_SAMPLES].astype(np.float64) ** 2
    means_F: NDArray[np.float64] = squares_T.reshape(frames, FRAME_SAMPLES).mean(axis=1)
    return means_F


def quietest_cut(wave_T: NDArray[np.float32], longest_s: float) -> int:
    """Where to end the first segment of audio that is longer than ``longest_s`` seconds.

    The segment is between half as long and as long as allowed.

    :return: a sample, on a frame's border.
    """
    limit = int(longest_s * RATE_HZ)
    first = limit // 2
    loud_F = loudness(wave_T[first * FRAME_SAMPLES : limit * FRAME_SAMPLES])
    width = min(QUIET_FRAMES, len(loud_F))
    stretches = np.convolve(loud_F, np.ones(width), mode="valid")
    # Of equally quiet stretches the last: longer segments are fewer.
    best = len(stretches) - 1 - int(np.argmin(stretches[::-1]))
    return (first + best + (width + 1) // 2) * FRAME_SAMPLES
