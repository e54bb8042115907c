"""The input of the small aligner: the power in 40 mel bands, 100 times a second, and its normalised logarithm.

Legend: T frames (100 Hz), M mel bands, S samples at 16 kHz.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lst_cli.units.frames import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEL_HOP = 160
"""Samples from one frame to the next: 10 ms."""

_WINDOW = 400
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 7600.0
_FLOOR = 1e-6
"""Added to the power of a band, whose mean over an utterance is 1."""


def mel_power(wave_S: NDArray[np.float32], bands: int) -> Tensor:
    """Mel-band powers [T, M] of a clip, scaled to a mean of 1; frame ``t`` is centred at sample ``160 t``.

    A clip of silence gives zeros.
    """
    wave = torch.as_tensor(wave_S, dtype=torch.float32)
    wave = torch.nn.functional.pad(wave, (_WINDOW // 2, _WINDOW // 2))
    spectrum = torch.stft(
        wave, _WINDOW, hop_length=MEL_HOP, window=torch.hann_window(_WINDOW), center=False, return_complex=True
    )
    power_TM = spectrum.abs().square().T @ _bank(bands)
    return power_TM / power_TM.mean().clamp(min=1e-12)


@lru_cache
def _bank(bands: int) -> Tensor:
    """Triangular filters [frequencies, M]."""
    from torchaudio.functional import melscale_fbanks

    bank: Tensor = melscale_fbanks(_WINDOW // 2 + 1, _LOWEST_HZ, _HIGHEST_HZ, bands, SAMPLE_RATE)
    return bank


def log_mel(power_TM: Tensor) -> Tensor:
    """Logarithm of the powers."""
    return torch.log(power_TM + _FLOOR)


def normalise(log_TM: Tensor) -> Tensor:
    """Take off each band's mean over the utterance and divide by the one standard deviation of all bands."""
    return (log_TM - log_TM.mean(dim=0)) / (log_TM.std() + 1e-5)


def loudness_db(power_TM: Tensor) -> Tensor:
    """Power of each frame [T] in decibels."""
    return 10 * torch.log10(power_TM.sum(dim=1) + 1e-8)
