"""The config of ``lst align fit``."""

from __future__ import annotations

from dataclasses import field

from lst_cli.config import config_dataclass


@config_dataclass
class AlignerNetworkConfig:
    """The size of the network."""

    bands: int = 40
    """Mel bands."""
    width: int = 128
    """Channels of every layer."""
    layers: int = 6
    """Residual convolutions after the first."""
    kernel: int = 5
    """Frames (20 ms) that each of them sees; odd."""


@config_dataclass
class AugmentConfig:
    """The range of each distortion; all are drawn uniformly."""

    speed: float = 1.25
    """Speaking rate, from 1/speed to speed (times)."""
    warp: float = 0.12
    """Vocal tract length: the mel axis is stretched by up to this share."""
    noise_db: tuple[float, float] = (5.0, 45.0)
    """Signal over added noise, lowest and highest (decibels)."""
    colour: float = 6.0
    """The noise's spectrum rises or falls by up to this much at its ends (decibels)."""
    channel: float = 4.0
    """A microphone's frequency response: five points drawn from plus or minus this (decibels)."""
    band_masks: int = 2
    """Stretches of up to 8 mel bands that are silenced (SpecAugment, Park et al. 2019)."""
    frame_masks_per_s: float = 0.7
    """Stretches of up to 120 ms that are silenced, for each second of speech."""


@config_dataclass
class AlignerConfig:
    """How a small aligner is trained."""

    network: AlignerNetworkConfig = field(default_factory=AlignerNetworkConfig)
    """Its size."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Distortions of the training speech."""
    steps: int = 200
    """Optimiser steps."""
    flat_steps: int = 30
    """Steps at the beginning in which all letters last equally long."""
    batch_s: float = 40.0
    """Speech in a step (seconds)."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW; falls to a twentieth along a cosine."""
    warmup_steps: int = 30
    """Steps in which the learning rate rises."""
    prior_scale: float = 1.0
    """Exponent of the letters' priors, by which scores are divided; in training and in aligning."""
    silence_db: float = 30.0
    """In the flat steps, a frame this much softer than the loudest is silence (decibels)."""
    anchor: float = 3.0
    """Weight of loudness as evidence of silence in training (nats a frame)."""
    max_hours: float = 3.0
    """Hours of speech to read at most; from larger corpora a part is drawn."""
    least_share: float = 0.1
    """A corpus is repeated until it has this share of the speech, so that a few recordings are not drowned."""
    seed: int = 0
    """Of weights, order and distortions."""
