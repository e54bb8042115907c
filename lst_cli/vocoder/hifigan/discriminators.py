"""The discriminators of HiFi-GAN, over periods and scales of a waveform (Kong et al. 2020, section 2.3).

Own code, for no library that ``lst`` builds on has them.
Legend: B waveforms, T samples, C channels, P samples of a period.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from lst_cli.vocoder.vocoder_config import HifiGanConfig

_SLOPE = 0.1
"""Slope of leaky ReLU."""


class PeriodDiscriminator(nn.Module):
    """Looks at every P-th sample: folds the waveform into columns of a period, and convolves along them."""

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        channels = (1, width, 4 * width, 16 * width, 32 * width, 32 * width)
        strides = (3, 3, 3, 3, 1)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (5, 1), (stride, 1), padding=(2, 0)))
            for (before, after), stride in zip(pairwise(channels), strides, strict=True)
        )
        self.score = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wave_BT: Tensor) -> list[Tensor]:
        """The output of each layer; the last is the score, near 1 for real and 0 for generated speech."""
        missing = -wave_BT.shape[1] % self.period
        whole_BT = F.pad(wave_BT[:, None], (0, missing), mode="reflect")[:, 0]
        x_BCTP = whole_BT.reshape(len(whole_BT), 1, -1, self.period)
        return _outputs(self.layers, self.score, x_BCTP)


class ScaleDiscriminator(nn.Module):
    """Looks at the waveform itself, through ever wider strides."""

    def __init__(self, width: int, *, spectral: bool) -> None:
        super().__init__()
        norm = spectral_norm if spectral else weight_norm
        base = 4 * width
        channels = (1, base, base, 2 * base, 4 * base, 8 * base, 8 * base, 8 * base)
        kernels, strides, groups = (15, 41, 41, 41, 41, 41, 5), (1, 2, 2, 4, 4, 1, 1), (1, 4, 16, 16, 16, 16, 1)
        self.layers = nn.ModuleList(
            norm(nn.Conv1d(before, after, kernel, stride, padding=kernel // 2, groups=group))
            for (before, after), kernel, stride, group in zip(pairwise(channels), kernels, strides, groups, strict=True)
        )
        self.score = norm(nn.Conv1d(channels[-1], 1, 3, padding=1))

    def forward(self, wave_BT: Tensor) -> list[Tensor]:
        """The output of each layer; the last is the score."""
        return _outputs(self.layers, self.score, wave_BT[:, None])


class Discriminators(nn.Module):
    """One for each period, and one for each scale: the waveform, then averages of 2, 4, … of its samples."""

    def __init__(self, config: HifiGanConfig) -> None:
        super().__init__()
        width = config.discriminator_width
        self.periods = nn.ModuleList(PeriodDiscriminator(period, width) for period in config.periods)
        self.scales = nn.ModuleList(ScaleDiscriminator(width, spectral=scale == 0) for scale in range(config.scales))

    def forward(self, wave_BT: Tensor) -> list[list[Tensor]]:
        """For each discriminator the outputs of its layers, its score last."""
        found = [discriminator(wave_BT) for discriminator in self.periods]
        for number, discriminator in enumerate(self.scales):
            wave_BT = F.avg_pool1d(wave_BT, 4, 2, padding=2) if number else wave_BT
            found.append(discriminator(wave_BT))
        return found


def _outputs(layers: nn.ModuleList, score: nn.Module, x: Tensor) -> list[Tensor]:
    found = []
    for layer in layers:
        x = F.leaky_relu(layer(x), _SLOPE)
        found.append(x)
    return [*found, score(x)]


def discriminator_loss(real: Sequence[Sequence[Tensor]], made: Sequence[Sequence[Tensor]]) -> Tensor:
    """Least squares of scores that should be 1 for real and 0 for generated speech; a sum over discriminators."""
    pairs = zip(real, made, strict=True)
    return torch.stack([(1 - ours[-1]).square().mean() + theirs[-1].square().mean() for ours, theirs in pairs]).sum()


def adversarial_loss(made: Sequence[Sequence[Tensor]]) -> Tensor:
    """Least squares of scores that the generator wants to be 1; a sum over discriminators."""
    return torch.stack([(1 - outputs[-1]).square().mean() for outputs in made]).sum()


def feature_loss(real: Sequence[Sequence[Tensor]], made: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference of each layer's output; a sum over layers and discriminators."""
    pairs = [(a, b) for ours, theirs in zip(real, made, strict=True) for a, b in zip(ours, theirs, strict=True)]
    return torch.stack([F.l1_loss(theirs, ours) for ours, theirs in pairs]).sum()
