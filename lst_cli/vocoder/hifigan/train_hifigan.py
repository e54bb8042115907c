"""Fitting a unit HiFi-GAN: generator against discriminators (Kong et al. 2020), on segments of speech.

A step's segments are a pure function of seed and step, so resuming from a saved state gives the same weights as an
uninterrupted run. Legend: B segments, U units, T samples, J mel frames, M mel bands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import parametrize

from lst_cli.artifacts.parquet import atomic_path
from lst_cli.console import progress, say
from lst_cli.errors import LstError
from lst_cli.hashing import mix
from lst_cli.units.frames import RATE_HZ
from lst_cli.vocoder.hifigan.discriminators import Discriminators, adversarial_loss, discriminator_loss, feature_loss
from lst_cli.vocoder.hifigan.unit_hifigan import UnitHifiGan
from lst_cli.vocoder.mel.spectrum import Spectrum
from lst_cli.vocoder.vocoder_config import HifiGanConfig, VocoderConfig
from lst_cli.vocoder.vocoder_examples import VocoderExample, draw_segments, segment

STATE_FILE = "state.pt"
LOSSES = ("mel", "adversarial", "features", "discriminators")
_CURVE_STEPS = 100
"""Steps that a line of the curve is a mean of."""

_WEIGHTS = 3
PCM = 32768.0
"""Samples are kept in 16 bits."""


class Fitting:
    """Generator and discriminators with their optimisers, and the losses so far: the state of a checkpoint."""

    def __init__(self, generator: dict[str, Any], config: VocoderConfig, device: str) -> None:
        """Make new networks, whose weights are a pure function of the seed.

        :param generator: the config of :class:`UnitHifiGan`.
        """
        self.config: HifiGanConfig = config.hifigan
        self.device = device
        self.spectrum = Spectrum(config.spectrum, device)
        # The library's layers draw their first weights from torch's generator; it is put back afterwards.
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(int(mix(config.seed, _WEIGHTS)))
            self.generator = UnitHifiGan(generator)
            self.discriminators = Discriminators(self.config)
            self.generator.generator.apply_weight_norm()  # type: ignore[no-untyped-call]
        self.generator.to(device).train()
        self.discriminators.to(device).train()
        self.optimizers = [
            torch.optim.AdamW(network.parameters(), lr=self.config.learning_rate, betas=(0.8, 0.99))
            for network in (self.generator, self.discriminators)
        ]
        self.step = 0
        self.curve: list[dict[str, float]] = []
        """Means of the losses over each hundred steps, ``step`` being the last of them."""
        self._sums = dict.fromkeys(LOSSES, 0.0)
        self._count = 0

    def learn(self, units_BU: Tensor, speaker_B: Tensor, wave_BT: Tensor) -> dict[str, float]:
        """One step of the discriminators, then one of the generator.

        :return: the losses by name, without their weights.
        """
        config = self.config
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(self.step, config)
        made_BT = self.generator(units_BU, speaker_B)
        discrimination = discriminator_loss(self.discriminators(wave_BT), self.discriminators(made_BT.detach()))
        _update(self.optimizers[1], discrimination)
        self.discriminators.requires_grad_(False)
        with torch.no_grad():
            real = self.discriminators(wave_BT)
        scores = self.discriminators(made_BT)
        mel = F.l1_loss(self.spectrum.log_mels(made_BT), self.spectrum.log_mels(wave_BT))
        adversarial, features = adversarial_loss(scores), feature_loss(real, scores)
        _update(self.optimizers[0], adversarial + config.feature_weight * features + config.mel_weight * mel)
        self.discriminators.requires_grad_(True)
        self.step += 1
        losses = torch.stack([mel, adversarial, features, discrimination]).tolist()
        return dict(zip(LOSSES, losses, strict=True))

    def note(self, losses: dict[str, float]) -> None:
        """Add a step's losses to the curve."""
        self._count += 1
        for name, value in losses.items():
            self._sums[name] += value
        if self.step % _CURVE_STEPS == 0 or self.step == self.config.steps:
            self.curve.append({"step": self.step, **{name: self._sums[name] / self._count for name in LOSSES}})
            self._sums, self._count = dict.fromkeys(LOSSES, 0.0), 0

    def save(self, path: Path) -> None:
        """Keep everything."""
        state = {
            "generator": self.generator.state_dict(),
            "discriminators": self.discriminators.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "progress": {"step": self.step, "curve": self.curve, "sums": self._sums, "count": self._count},
        }
        with atomic_path(path) as temporary:
            torch.save(state, temporary)

    def resume(self, path: Path) -> None:
        """Resume from the saved state, if there is one."""
        if not path.is_file():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.generator.load_state_dict(state["generator"])
        self.discriminators.load_state_dict(state["discriminators"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        done = state["progress"]
        self.step, self.curve, self._sums, self._count = done["step"], done["curve"], done["sums"], done["count"]
        say(f"resuming after step {self.step}")


def fit_hifigan(
    fitting: Fitting, examples: Sequence[VocoderExample], speakers: Sequence[str], seed: int, parts: Path
) -> None:
    """Run the remaining steps; it resumes from the state in ``parts`` if there is one.

    At the end the generator has plain weights, without weight norm.

    :param examples: with samples in 16 bits, none shorter than a segment.
    :raises LstError: a loss is not finite.
    """
    config = fitting.config
    fitting.resume(parts / STATE_FILE)
    number = {name: index for index, name in enumerate(speakers)}
    length = segment_units(config)
    with progress("fit the HiFi-GAN", config.steps - fitting.step, "steps") as bar:
        while fitting.step < config.steps:
            chosen = draw_segments(len(examples), config.batch, fitting.step, seed)
            rows = [segment(examples[index], place, length) for index, place in chosen]
            units_BU = torch.stack([units_U for units_U, _ in rows]).to(fitting.device)
            wave_BT = torch.stack([wave_T for _, wave_T in rows]).to(fitting.device) / PCM
            speaker_B = torch.tensor([number[examples[index].speaker] for index, _ in chosen], device=fitting.device)
            losses = fitting.learn(units_BU, speaker_B, wave_BT)
            if not all(math.isfinite(value) for value in losses.values()):
                raise LstError(
                    f"fitting the HiFi-GAN diverged at step {fitting.step}", fix="try --set hifigan.learning_rate=1e-4"
                )
            fitting.note(losses)
            bar.advance(1, **{name: f"{value:.3f}" for name, value in losses.items()})
            if fitting.step % config.save_every == 0 and fitting.step < config.steps:
                fitting.save(parts / STATE_FILE)
    for module in fitting.generator.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    fitting.generator.eval()


@torch.no_grad()
def held_out_mel(fitting: Fitting, examples: Sequence[VocoderExample], speakers: Sequence[str]) -> float | None:
    """Mean absolute error of log-mel frames of whole held-out utterances; None without any."""
    total = frames = 0.0
    for example in examples:
        if example.speaker not in speakers:
            continue
        speaker_1 = torch.tensor([speakers.index(example.speaker)], device=fitting.device)
        made_1T = fitting.generator(example.units_U[None].to(fitting.device), speaker_1)
        real_1T = example.target_R[None].to(fitting.device) / PCM
        error_JM = (fitting.spectrum.log_mels(made_1T) - fitting.spectrum.log_mels(real_1T)).abs()[0]
        total += float(error_JM.mean(dim=1).sum())
        frames += len(error_JM)
    return total / frames if frames else None


def segment_units(config: HifiGanConfig) -> int:
    """Units of a segment."""
    return max(1, round(config.segment_s * RATE_HZ))


def learning_rate(step: int, config: HifiGanConfig) -> float:
    """Falls by the same factor over every 1,000 steps."""
    return config.learning_rate * math.pow(config.decay, step / 1000)


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
