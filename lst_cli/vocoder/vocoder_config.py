"""The config of ``lst vocoder fit``."""

from __future__ import annotations

import math
from dataclasses import field, fields
from typing import Annotated, Literal

from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.errors import UserError
from lst_cli.units.frames import FRAME_SAMPLES


@config_dataclass
class SpectrumConfig:
    """The mel spectrogram between the network and the waveform; audio is at 16 kHz."""

    bands: int = Field(default=80, ge=8, le=1024)
    """Mel bands (Slaney's scale and norm), from 0 to 8 kHz."""
    hop: int = Field(default=160, ge=1, le=1 << 16)
    """Samples between two frames; a whole number of frames makes one unit (640 samples)."""
    window: int = Field(default=640, ge=16, le=1 << 18)
    """Samples of the Hann window."""
    fft: int = Field(default=1024, ge=16, le=1 << 18)
    """Samples of the Fourier transform; at least the window."""
    floor: float = Field(default=1e-5, gt=0, le=1)
    """Magnitudes are clipped to at least this before the logarithm."""
    iterations: int = Field(default=32, ge=1, le=10**6)
    """Iterations of the Griffin-Lim algorithm."""
    momentum: float = Field(default=0.99, ge=0, lt=1)
    """Momentum of these iterations (Perraudin et al. 2013)."""


@config_dataclass
class VocoderNetworkConfig:
    """The size of the network from units to mel frames."""

    width: int = Field(default=256, ge=4, le=1 << 16, multiple_of=4)
    """Channels at 25 Hz; half of them at the rate of the mel frames."""
    blocks: int = Field(default=4, ge=1, le=1000)
    """Residual blocks at 25 Hz."""
    fine_blocks: int = Field(default=2, ge=0, le=1000)
    """Residual blocks at the rate of the mel frames."""
    kernel: int = Field(default=7, ge=1, le=1001)
    """Kernel size of each block, in frames; odd."""


Small = Annotated[int, Field(ge=1, le=1000)]


@config_dataclass
class HifiGanConfig:
    """A unit HiFi-GAN and how it is fitted.

    The generator's keys are named as in published checkpoints. The sizes are those of Kong et al. 2020 (V1), with rates
    for 640 samples a unit.
    """

    embedding_dim: int = Field(default=128, ge=1, le=1 << 16)
    """Channels of the unit embedding; with several speakers, also of the speaker embedding."""
    upsample_initial_channel: int = Field(default=512, ge=2, le=1 << 16)
    """Channels of the generator at 25 Hz; halved at each upsampling."""
    upsample_rates: list[Small] = field(default_factory=lambda: [5, 4, 4, 4, 2])
    """Upsampling factors; their product is 640."""
    upsample_kernel_sizes: list[Small] = field(default_factory=lambda: [11, 8, 8, 8, 4])
    """Kernel sizes of the transposed convolutions; each is its factor plus an even number."""
    resblock_kernel_sizes: list[Small] = field(default_factory=lambda: [3, 7, 11])
    """Kernel sizes of the parallel residual blocks after each upsampling; odd."""
    resblock_dilation_sizes: list[list[Small]] = field(default_factory=lambda: [[1, 3, 5], [1, 3, 5], [1, 3, 5]])
    """Dilations of each of these blocks."""
    discriminator_width: int = Field(default=32, ge=4, le=1 << 14, multiple_of=4)
    """Channels of the first layer of a period discriminator; all other widths follow from it."""
    periods: list[Small] = field(default_factory=lambda: [2, 3, 5, 7, 11])
    """Periods of the period discriminators, in samples."""
    scales: int = Field(default=3, ge=1, le=10)
    """Number of scale discriminators, each at half the sample rate of the previous one."""
    steps: int = Field(default=200_000, ge=1, le=10**9)
    """Optimiser steps of generator and discriminators."""
    batch: int = Field(default=16, ge=1, le=10**6)
    """Segments of speech per step."""
    segment_s: float = Field(default=0.56, gt=0, le=1000)
    """Length of a segment (seconds), rounded to whole units. Shorter utterances are skipped."""
    learning_rate: float = Field(default=2e-4, gt=0, le=10)
    """Initial learning rate of both AdamW optimisers."""
    decay: float = Field(default=0.99, gt=0, le=1)
    """Factor on the learning rate every 1,000 steps."""
    mel_weight: float = Field(default=45.0, ge=0, le=1e6)
    """Weight of the mean absolute error of log-mel frames, relative to the adversarial loss."""
    feature_weight: float = Field(default=2.0, ge=0, le=1e6)
    """Weight of the feature matching loss: the mean absolute difference of the discriminators' layers."""
    max_minutes: float = Field(default=1440.0, gt=0, le=1e9)
    """Maximum amount of speech to read (2 MB of memory per minute); from larger corpora, a part is drawn."""
    save_every: int = Field(default=1000, ge=1, le=10**9)
    """Steps between two saved states, to resume from after a crash (1 GB each at the defaults)."""


@config_dataclass
class VocoderConfig:
    """How a vocoder is fitted. ``spectrum``, ``held_out`` and ``seed`` are for both forms."""

    form: Literal["mel", "hifigan"] = "mel"
    """``mel``: a network to log-mel frames, and phases by Griffin-Lim; minutes on a CPU. ``hifigan``: a network to
    samples, trained with discriminators (Kong et al. 2020); hours on a GPU."""
    spectrum: SpectrumConfig = field(default_factory=SpectrumConfig)
    """Form mel: the predicted spectrum, and its inversion. Form hifigan: the spectrum of the mel loss."""
    hifigan: HifiGanConfig = field(default_factory=HifiGanConfig)
    """Everything of form hifigan."""
    network: VocoderNetworkConfig = field(default_factory=VocoderNetworkConfig)
    """Its size. This and all below, but ``held_out`` and ``seed``, is for form mel only."""
    steps: int = Field(default=600, ge=1, le=10**9)
    """Optimiser steps."""
    batch: int = Field(default=16, ge=1, le=10**6)
    """Segments of speech per step."""
    segment_s: float = Field(default=4.0, gt=0, le=1000)
    """Length of a segment (seconds)."""
    learning_rate: float = Field(default=2e-3, gt=0, le=10)
    """Peak learning rate of AdamW; falls to zero along a cosine."""
    warmup_steps: int = Field(default=50, ge=0, le=10**9)
    """Steps of learning-rate warm-up."""
    held_out: float = Field(default=0.02, ge=0, lt=1)
    """Share of the utterances held out for validation, chosen by a hash of their ids."""
    max_minutes: float = Field(default=120.0, gt=0, le=1e9)
    """Maximum amount of speech to read; from larger corpora, a part is drawn by a hash of the ids."""
    save_every: int = Field(default=200, ge=1, le=10**9)
    """Steps between two saved states, to resume from after a crash."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Seed of weights and order."""


_OF_MEL = ("network", "steps", "batch", "segment_s", "learning_rate", "warmup_steps", "max_minutes", "save_every")
_PHASES = ("iterations", "momentum")


def check_form(config: VocoderConfig) -> None:
    """Refuse keys that were changed though the other form reads them, and a generator that can't be.

    :raises UserError: names all of them.
    """
    found = _changed(config) if config.form == "hifigan" else _changed_hifigan(config)
    if found:
        other = "mel" if config.form == "hifigan" else "hifigan"
        raise UserError(
            f"form {config.form}: keys of form {other} were changed, which have no effect",
            found=", ".join(found),
            fix=f"remove them, or set form={other}" + (", or hifigan.KEY" if other == "mel" else ""),
        )
    if config.form == "hifigan":
        _check_generator(config.hifigan)


def _changed(config: VocoderConfig) -> list[str]:
    default = VocoderConfig()
    found = [key for key in _OF_MEL if getattr(config, key) != getattr(default, key)]
    phases = [key for key in _PHASES if getattr(config.spectrum, key) != getattr(default.spectrum, key)]
    return found + [f"spectrum.{key}" for key in phases]


def _changed_hifigan(config: VocoderConfig) -> list[str]:
    default = HifiGanConfig()
    keys = [key.name for key in fields(HifiGanConfig)]
    return [f"hifigan.{key}" for key in keys if getattr(config.hifigan, key) != getattr(default, key)]


def _check_generator(config: HifiGanConfig) -> None:
    rates, kernels = config.upsample_rates, config.upsample_kernel_sizes
    blocks, dilations = config.resblock_kernel_sizes, config.resblock_dilation_sizes
    problems = []
    if math.prod(rates) != FRAME_SAMPLES:
        problems.append(f"upsample_rates multiply to {math.prod(rates)}, not to the {FRAME_SAMPLES} samples of a unit")
    if len(kernels) != len(rates):
        problems.append(f"{len(kernels)} upsample_kernel_sizes for {len(rates)} upsample_rates")
    elif any(kernel < rate or (kernel - rate) % 2 for kernel, rate in zip(kernels, rates, strict=True)):
        problems.append(f"upsample_kernel_sizes {kernels} are not the rates {rates} and even numbers")
    if config.upsample_initial_channel % 2 ** len(rates):
        width = config.upsample_initial_channel
        problems.append(f"upsample_initial_channel {width} can't be halved {len(rates)} times")
    if not blocks or len(blocks) != len(dilations) or any(kernel % 2 == 0 for kernel in blocks):
        problems.append("resblock_kernel_sizes are not odd numbers, each with a list in resblock_dilation_sizes")
    if not config.periods or min(config.periods) < 1:
        problems.append(f"periods {config.periods}")
    if problems:
        raise UserError("hifigan: invalid network", found="; ".join(problems))
