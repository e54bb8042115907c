"""The config of ``lst align fit``."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from pydantic import Field

from lst_cli.config import config_dataclass


@config_dataclass
class AlignerNetworkConfig:
    """The size of the network."""

    bands: int = Field(default=40, ge=8, le=1024)
    """Mel bands."""
    width: int = Field(default=128, ge=1, le=1 << 14)
    """Channels of every layer."""
    layers: int = Field(default=6, ge=0, le=1000)
    """Residual convolutions after the first."""
    kernel: int = Field(default=5, ge=1, le=1001)
    """Kernel size of each convolution, in frames of 20 ms; odd."""


Decibels = Annotated[float, Field(ge=-100, le=200)]


@config_dataclass
class AugmentConfig:
    """The range of each distortion; all are drawn uniformly."""

    speed: float = Field(default=1.25, ge=1, le=4)
    """Speaking rate, from 1/speed to speed (times)."""
    warp: float = Field(default=0.12, ge=0, lt=1)
    """Vocal tract length: the mel axis is stretched by up to this share."""
    noise_db: tuple[Decibels, Decibels] = (5.0, 45.0)
    """Signal over added noise, lowest and highest (decibels)."""
    colour: float = Field(default=6.0, ge=0, le=100)
    """The noise's spectrum rises or falls by up to this much at its ends (decibels)."""
    channel: float = Field(default=4.0, ge=0, le=100)
    """A microphone's frequency response: five points drawn from plus or minus this (decibels)."""
    band_masks: int = Field(default=2, ge=0, le=100)
    """Number of masks of up to 8 mel bands (SpecAugment, Park et al. 2019)."""
    frame_masks_per_s: float = Field(default=0.7, ge=0, le=50)
    """Number of masks of up to 120 ms per second of speech."""


@config_dataclass
class AlignerConfig:
    """How a small aligner is trained."""

    network: AlignerNetworkConfig = field(default_factory=AlignerNetworkConfig)
    """Its size."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Distortions of the training speech."""
    steps: int = Field(default=200, ge=1, le=10**9)
    """Optimiser steps."""
    flat_steps: int = Field(default=30, ge=0, le=10**9)
    """Initial steps, in which all letters have the same length."""
    batch_s: float = Field(default=40.0, gt=0, le=1e6)
    """Speech per step (seconds)."""
    learning_rate: float = Field(default=2e-3, gt=0, le=10)
    """Peak learning rate of AdamW; falls to a twentieth along a cosine."""
    warmup_steps: int = Field(default=30, ge=0, le=10**9)
    """Steps of learning-rate warm-up."""
    prior_scale: float = Field(default=1.0, ge=0, le=100)
    """Exponent of the letters' priors, by which scores are divided in training and alignment."""
    silence_db: float = Field(default=30.0, ge=0, le=200)
    """In the flat steps, frames this much softer than the loudest one are silence (decibels)."""
    anchor: float = Field(default=3.0, ge=0, le=1e6)
    """Weight of loudness as evidence of silence in training (nats per frame)."""
    max_hours: float = Field(default=3.0, gt=0, le=1e6)
    """Maximum amount of speech to read (hours); from larger corpora, a part is drawn."""
    least_share: float = Field(default=0.1, ge=0, le=1)
    """A corpus is repeated until it has this share of the speech, so that a few recordings have an effect."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Seed of weights, order and augmentation."""
