"""A unit HiFi-GAN: an embedding of units, and the generator of Kong et al. 2020.

The layout of published weights is that of fairseq's textless checkpoints (Polyak et al. 2021): ``config.json`` next to
``g_00000000``, whose ``generator`` holds ``dict.weight``, ``conv_pre``, ``ups``, ``resblocks`` and ``conv_post``, under
weight norm.
The generator itself is transformers' ``SpeechT5HifiGan``, which is the same network under other names.
Legend: B clips, U units, T samples, D channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lst_cli.errors import UserError
from lst_cli.units.frames import RATE_HZ
from lst_cli.vocoder.streaming import VocoderStream
from lst_cli.vocoder.voices import check_units, limited, speaker_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

GENERATOR_KEYS = (
    "upsample_initial_channel",
    "upsample_rates",
    "upsample_kernel_sizes",
    "resblock_kernel_sizes",
    "resblock_dilation_sizes",
)

_RENAMED = {"ups.": "upsampler."}
_PIECE = 25
"""Units of a piece of a stream: 1 s."""

_ENDS = 3
"""Samples to both sides that the first and the last convolution see."""

_NOT_OURS = ("dur_predictor.",)
"""Weights that lengthen units without repetitions; ours keep theirs."""


class UnitHifiGan(nn.Module):
    """Embeddings of unit and, where there are several, speaker, and the generator."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Make the network of a checked config (:func:`check_config`)."""
        from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

        super().__init__()
        width = int(config["embedding_dim"])
        speakers = int(config["num_speakers"])
        self.dict = nn.Embedding(int(config["num_embeddings"]), width)
        self.spkr = nn.Embedding(speakers, width) if speakers else None
        self.generator = SpeechT5HifiGan(
            SpeechT5HifiGanConfig(  # type: ignore[no-untyped-call]
                model_in_dim=width * (2 if speakers else 1),
                sampling_rate=int(config["sampling_rate"]),
                normalize_before=False,
                **{key: config[key] for key in GENERATOR_KEYS},
            )
        )

    def forward(self, units_BU: Tensor, speaker_B: Tensor) -> Tensor:
        """Samples [B, T] of clips of one length."""
        x_BUD = self.dict(units_BU)
        if self.spkr is not None:
            voice_B1D = self.spkr(speaker_B)[:, None]
            x_BUD = torch.cat([x_BUD, voice_B1D.expand(-1, x_BUD.shape[1], -1)], dim=2)
        wave_BT: Tensor = self.generator(x_BUD)
        return wave_BT


def check_config(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Extract the fields of a published config that the network needs.

    :raises UserError: a key is missing, the vocoder needs more than units, or its units are not of 40 ms.
    """
    needed = ("num_embeddings", "embedding_dim", "sampling_rate", *GENERATOR_KEYS)
    missing = [key for key in needed if key not in config]
    problems = [f"no {key}" for key in missing]
    if config.get("f0"):
        problems.append("f0: pitch is required besides units")
    if config.get("embedder_params"):
        problems.append("embedder_params: speakers by embeddings of their audio")
    if str(config.get("resblock", "1")) != "1":
        problems.append(f"resblock {config['resblock']}")
    if not missing:
        samples = int(np.prod(config["upsample_rates"]))
        if samples * RATE_HZ != config["sampling_rate"]:
            problems.append(f"{samples} samples a unit at {config['sampling_rate']} Hz")
    if problems:
        raise UserError(
            f"{source}: not a vocoder that lst supports",
            found="; ".join(problems),
            expected=f"a HiFi-GAN over units, {RATE_HZ} a second, with resblocks of kind 1",
        )
    found = {key: config[key] for key in needed}
    found["num_speakers"] = int(config.get("num_speakers", 200)) if config.get("multispkr") else 0
    return found


def from_published(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published generator's weights under our names, weight norm taken out."""
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name.startswith(_NOT_OURS) or name.endswith("weight_v"):
            continue
        if name.endswith("weight_g"):
            direction = weights[name.removesuffix("g") + "v"]
            dims = tuple(range(1, direction.dim()))
            value = value * direction / torch.linalg.vector_norm(direction, dim=dims, keepdim=True)
            name = name.removesuffix("_g")
        for old, new in _RENAMED.items():
            name = new + name.removeprefix(old) if name.startswith(old) else name
        ours = name if name.startswith(("dict.", "spkr.")) else f"generator.{name}"
        found[ours] = value.detach().float().contiguous()
    return found


class HifiGanVocoder:
    """Units to samples by a unit HiFi-GAN."""

    def __init__(self, network: UnitHifiGan, config: Mapping[str, Any], speakers: Sequence[str]) -> None:
        self._network = network.eval()
        self._config = config
        self.sample_rate = int(config["sampling_rate"])
        self.speakers = speakers

    def speak(self, units_U: NDArray[np.integer], speaker: str | None = None) -> NDArray[np.float32]:
        """Samples [T] in [-1, 1], 40 ms for each unit.

        :raises UserError: a speaker that the vocoder does not know, or a unit that it has not.
        """
        pieces = self._pieces(speaker)
        return limited(pieces.render(units_U, 0, len(units_U))) if len(units_U) else np.zeros(0, np.float32)

    def stream(self, speaker: str | None = None) -> VocoderStream:
        """A clip whose units arrive later.

        :raises UserError: a speaker that the vocoder does not know.
        """
        return VocoderStream(self._pieces(speaker), piece=_PIECE)

    def _pieces(self, speaker: str | None) -> _Pieces:
        return _Pieces(self._network, self._config, speaker_number(self.speakers, speaker))


class _Pieces:
    """Pieces of a clip in one voice."""

    def __init__(self, network: UnitHifiGan, config: Mapping[str, Any], number: int) -> None:
        self._network = network
        self._number = number
        self.unit_samples = int(config["sampling_rate"]) // RATE_HZ
        self.reach = receptive_field(config)

    @torch.no_grad()
    def render(self, units_U: NDArray[np.integer], first: int, last: int) -> NDArray[np.float32]:
        """Samples [T] of some of the units."""
        check_units(units_U, self._network.dict.num_embeddings)
        begin = max(0, first - self.reach)
        device = self._network.dict.weight.device
        seen_1U = torch.from_numpy(units_U[begin : last + self.reach].astype(np.int64))[None].to(device)
        wave_T = self._network(seen_1U, torch.tensor([self._number], device=device))[0]
        samples: NDArray[np.float32] = wave_T.cpu().numpy()
        return samples[(first - begin) * self.unit_samples : (last - begin) * self.unit_samples]


def receptive_field(config: Mapping[str, Any]) -> int:
    """Units to both sides that a unit's samples depend on."""
    first, last = -_ENDS, int(np.prod(config["upsample_rates"])) - 1 + _ENDS
    blocks = zip(config["resblock_kernel_sizes"], config["resblock_dilation_sizes"], strict=True)
    around = max(kernel // 2 * (sum(dilations) + len(dilations)) for kernel, dilations in blocks)
    for rate, kernel in zip(config["upsample_rates"][::-1], config["upsample_kernel_sizes"][::-1], strict=True):
        # Sample n of a transposed convolution's input reaches the outputs from n * rate - padding on, kernel of them.
        padding = (kernel - rate) // 2
        first = -(-(first - around + padding - kernel + 1) // rate)
        last = (last + around + padding) // rate
    return max(-first, last) + _ENDS
