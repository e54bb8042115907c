"""Other voices, rooms and microphones from one: distortions of mel-band powers.

Every draw is a pure function of (seed, epoch, utterance). Legend: T frames before, U frames after, M mel bands.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lst_cli.alignment.emissions.mel import log_mel, normalise
from lst_cli.alignment.fit.aligner_config import AugmentConfig
from lst_cli.hashing import uniform

_BAND_MASK = 8
_FRAME_MASK = 12
_CHANNEL_POINTS = 5
_BELOW_1 = 1 - 2.0**-24
_DB = float(np.log(10) / 10)
"""Natural logarithm of one decibel of power."""


class _Draws:
    """Numbers from [0, 1) for one utterance in one epoch, in the order of the calls."""

    def __init__(self, seed: int, *ids: int) -> None:
        self._seed, self._ids, self._next = seed, ids, 0

    def __call__(self, n: int = 1) -> Tensor:
        numbers = uniform(self._seed, *(np.uint64(i) for i in self._ids), np.arange(self._next, self._next + n))
        self._next += n
        # Rounding to float32 must not make a 1.
        return torch.from_numpy(np.minimum(numbers, _BELOW_1).astype(np.float32))

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self())


def augment(power_TM: Tensor, config: AugmentConfig, seed: int, epoch: int, utterance: int) -> Tensor:
    """A distorted, normalised log-mel spectrogram [U, M] of the same words.

    :param utterance: an integer id, such as :func:`lst_cli.hashing.text_id` makes.
    """
    draws = _Draws(seed, epoch, utterance)
    speed = config.speed ** draws.between(-1, 1)
    power_UM = _warp_bands(_stretch(power_TM, speed), 1 + draws.between(-config.warp, config.warp))
    log_UM = log_mel(power_UM + _noise(power_UM, config, draws))
    log_UM = normalise(log_UM + _channel(power_UM.shape[1], config, draws))
    return _mask(log_UM, config, draws)


def _stretch(power_TM: Tensor, speed: float) -> Tensor:
    """Speak ``speed`` times as fast."""
    frames = max(8, round(len(power_TM) / speed))
    return F.interpolate(power_TM.T[None], size=frames, mode="linear", align_corners=False)[0].T


def _warp_bands(power_UM: Tensor, factor: float) -> Tensor:
    """Read band ``m`` from where band ``m * factor`` was: a longer or shorter vocal tract."""
    bands = power_UM.shape[1]
    place_M = (torch.arange(bands) * factor).clamp(max=bands - 1)
    below_M = place_M.long()
    above_M = (below_M + 1).clamp(max=bands - 1)
    share_M = place_M - below_M
    return power_UM[:, below_M] * (1 - share_M) + power_UM[:, above_M] * share_M


def _noise(power_UM: Tensor, config: AugmentConfig, draws: _Draws) -> Tensor:
    """The power of stationary coloured noise: exponentially distributed around a straight spectrum."""
    low_db, high_db = config.noise_db
    level = power_UM.mean() * 10 ** (-draws.between(low_db, high_db) / 10)
    ends = [draws.between(-config.colour, config.colour) * _DB for _ in range(2)]
    colour_M = torch.exp(torch.linspace(ends[0], ends[1], power_UM.shape[1]))
    return -torch.log1p(-draws(power_UM.numel()).view_as(power_UM)) * colour_M * level


def _channel(bands: int, config: AugmentConfig, draws: _Draws) -> Tensor:
    points = (2 * draws(_CHANNEL_POINTS) - 1) * config.channel * _DB
    return F.interpolate(points[None, None], size=bands, mode="linear", align_corners=True)[0, 0]


def _mask(log_UM: Tensor, config: AugmentConfig, draws: _Draws) -> Tensor:
    """Set stretches to 0, the mean of a normalised spectrogram."""
    frames, bands = log_UM.shape
    masked = log_UM.clone()
    for _ in range(config.band_masks):
        width = int(draws.between(0, min(_BAND_MASK, bands)))
        start = int(draws.between(0, bands - width))
        masked[:, start : start + width] = 0
    for _ in range(round(config.frame_masks_per_s * frames / 100)):
        width = int(draws.between(0, min(_FRAME_MASK, frames)))
        start = int(draws.between(0, frames - width))
        masked[start : start + width] = 0
    return masked
