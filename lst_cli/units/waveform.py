"""Audio as this room takes it: mono float32 at 16 kHz."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError

Waveform: TypeAlias = NDArray[np.float32]
"""Mono audio at 16 kHz, one-dimensional."""


def check_waveform(wave: Waveform, what: str) -> Waveform:
    """Return the clip as contiguous float32, if it is sound.

    :raises UserError: it is empty, not one-dimensional, or holds samples that are not finite numbers.
    """
    clip: Waveform = np.ascontiguousarray(wave, dtype=np.float32)
    if clip.ndim != 1 or not len(clip):
        raise UserError(f"{what}: no audio to tokenize", found=f"shape {clip.shape}", expected="samples of one channel")
    if not np.isfinite(clip).all():
        raise UserError(f"{what}: samples are not finite numbers", fix="export the recording again")
    return clip
