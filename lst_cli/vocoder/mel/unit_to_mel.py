"""The network from units to log-mel frames: convolutions over units, then over the frames within them.

A unit says little of how its sound begins and ends; its neighbours do. So every block sees some frames to both sides.
Legend: B segments, U units, J mel frames, M mel bands, D width, K kinds of units, N speakers.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lst_cli.errors import UserError
from lst_cli.hashing import text_id, uniform
from lst_cli.vocoder.vocoder_config import VocoderNetworkConfig


class ConvBlock(nn.Module):
    """A residual block: each channel along time, then all channels of each frame (Liu et al. 2022, ConvNeXt)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.along = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, x_BUD: Tensor, inside_BU1: Tensor) -> Tensor:
        """The same shape; padding does not reach the frames before it."""
        along_BUD = self.along((x_BUD * inside_BU1).transpose(1, 2)).transpose(1, 2)
        out_BUD: Tensor = x_BUD + self.narrow(F.gelu(self.wide(self.norm(along_BUD))))
        return out_BUD


class UnitToMel(nn.Module):
    """Log-mel frames of units, in the voice of a speaker. ``mean_M`` and ``scale_M`` are those of the training data."""

    mean_M: Tensor
    scale_M: Tensor

    def __init__(
        self, config: VocoderNetworkConfig, *, units: int, speakers: int, bands: int, frames_per_unit: int
    ) -> None:
        super().__init__()
        width, fine = config.width, config.width // 2
        self.unit = nn.Embedding(units, width)
        self.speaker = nn.Embedding(speakers, width)
        self.blocks = nn.ModuleList(ConvBlock(width, config.kernel) for _ in range(config.blocks))
        self.finer = nn.Linear(width, frames_per_unit * fine)
        self.fine_blocks = nn.ModuleList(ConvBlock(fine, config.kernel) for _ in range(config.fine_blocks))
        self.bands = nn.Linear(fine, bands)
        self.frames_per_unit = frames_per_unit
        seen = config.kernel // 2
        self.reach = config.blocks * seen + -(-config.fine_blocks * seen // frames_per_unit)
        """Units to both sides that a unit's frames depend on."""
        self.register_buffer("mean_M", torch.zeros(bands))
        self.register_buffer("scale_M", torch.ones(bands))

    def forward(self, units_BU: Tensor, speaker_B: Tensor, length_B: Tensor) -> Tensor:
        """Normalised log-mel frames [B, J, M].

        :param length_B: units of each row; the rest is padding.
        """
        inside_BU1 = (torch.arange(units_BU.shape[1], device=units_BU.device) < length_B[:, None])[..., None]
        x_BUD = self.unit(units_BU) + self.speaker(speaker_B)[:, None]
        for block in self.blocks:
            x_BUD = block(x_BUD, inside_BU1)
        x_BJD = self.finer(x_BUD).reshape(len(units_BU), -1, self.finer.out_features // self.frames_per_unit)
        inside_BJ1 = inside_BU1.repeat_interleave(self.frames_per_unit, dim=1)
        for block in self.fine_blocks:
            x_BJD = block(x_BJD, inside_BJ1)
        mel_BJM: Tensor = self.bands(x_BJD)
        return mel_BJM

    @torch.no_grad()
    def log_mel(self, units_U: Tensor, speaker: int) -> Tensor:
        """Log-mel frames [J, M] of one clip."""
        device = self.mean_M.device
        mel_JM: Tensor = self(
            units_U[None].to(device),
            torch.tensor([speaker], device=device),
            torch.tensor([len(units_U)], device=device),
        )[0]
        log_mel_JM: Tensor = mel_JM * self.scale_M + self.mean_M
        return log_mel_JM


def new_network(
    config: VocoderNetworkConfig, seed: int, *, units: int, speakers: int, bands: int, frames_per_unit: int
) -> UnitToMel:
    """A network whose weights are a pure function of the seed.

    :raises UserError: the kernel is even.
    """
    if config.kernel % 2 == 0:
        raise UserError(f"network.kernel {config.kernel} is even", expected="an odd number of frames")
    with torch.device("meta"):
        network = UnitToMel(config, units=units, speakers=speakers, bands=bands, frames_per_unit=frames_per_unit)
    network.to_empty(device="cpu")
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.dim() > 1:
                embedding = name in ("unit.weight", "speaker.weight")
                bound = 1.0 if embedding else weight[0].numel() ** -0.5
                draws = uniform(seed, np.uint64(text_id(name)), np.arange(weight.numel()))
                weight.copy_(torch.from_numpy((2 * draws - 1) * bound).view_as(weight))
            else:
                weight.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        network.mean_M.zero_()
        network.scale_M.fill_(1.0)
    return network
