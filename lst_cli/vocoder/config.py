"""The config of ``lst vocoder fit``."""

from __future__ import annotations

from dataclasses import field

from pydantic import Field

from lst_cli.config import config_dataclass


@config_dataclass
class SpectrumConfig:
    """The mel spectrogram between the network and the waveform; audio is at 16 kHz."""

    bands: int = Field(default=80, ge=8)
    """Mel bands (Slaney's scale and norm), from 0 to 8 kHz."""
    hop: int = Field(default=160, ge=1)
    """Samples between two frames; a whole number of frames makes one unit (640 samples)."""
    window: int = Field(default=640, ge=16)
    """Samples of the Hann window."""
    fft: int = Field(default=1024, ge=16)
    """Samples of the Fourier transform; at least the window."""
    floor: float = Field(default=1e-5, gt=0)
    """Softer magnitudes are taken for this one before the logarithm."""
    iterations: int = Field(default=32, ge=1)
    """Rounds of Griffin and Lim's phase reconstruction."""
    momentum: float = Field(default=0.99, ge=0, lt=1)
    """Of these rounds (Perraudin et al. 2013)."""


@config_dataclass
class NetworkConfig:
    """The size of the network from units to mel frames."""

    width: int = Field(default=256, ge=4, multiple_of=4)
    """Channels at 25 Hz; half as many at the rate of the mel frames."""
    blocks: int = Field(default=4, ge=1)
    """Residual blocks at 25 Hz."""
    fine_blocks: int = Field(default=2, ge=0)
    """Residual blocks at the rate of the mel frames."""
    kernel: int = Field(default=7, ge=1)
    """Frames that each block sees; odd."""


@config_dataclass
class VocoderConfig:
    """How a vocoder is fitted."""

    spectrum: SpectrumConfig = field(default_factory=SpectrumConfig)
    """What the network predicts, and how a waveform is made of it."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Its size."""
    steps: int = Field(default=600, ge=1)
    """Optimiser steps."""
    batch: int = Field(default=16, ge=1)
    """Stretches of speech in a step."""
    stretch_s: float = Field(default=4.0, gt=0)
    """Length of each (seconds)."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak learning rate of AdamW; falls to zero along a cosine."""
    warmup_steps: int = Field(default=50, ge=0)
    """Steps in which the learning rate rises."""
    held_out: float = Field(default=0.02, ge=0, lt=1)
    """Share of the utterances that only tell how good the vocoder is; which ones is a hash of their ids."""
    max_minutes: float = Field(default=120.0, gt=0)
    """Speech that is read at most; of larger corpora a part is drawn, by a hash of the ids."""
    save_every: int = Field(default=200, ge=1)
    """Steps between two states kept for going on after a crash."""
    seed: int = 0
    """Of weights and order."""
