"""Rotary frequencies stretched for longer contexts: linear, Llama 3.1's and YaRN.

Shape legend: E half the width of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lst_cli.model.model_config import RopeScaling


def stretched(frequency_E: Tensor, theta: float, scaling: RopeScaling) -> tuple[Tensor, float]:
    """Frequencies (E) after stretching, and the factor of the cosines and sines made with them."""
    if scaling.kind == "linear":
        return frequency_E / scaling.factor, 1.0
    if scaling.kind == "llama3":
        return frequency_E * _llama3_scale(frequency_E, scaling), 1.0
    size = scaling.attention_factor or 0.1 * math.log(scaling.factor) + 1.0
    return frequency_E * _yarn_scale(frequency_E, theta, scaling), size


def _llama3_scale(frequency_E: Tensor, scaling: RopeScaling) -> Tensor:
    turns_E = scaling.original_positions * frequency_E / (2 * math.pi)
    kept_E = ((turns_E - scaling.low) / (scaling.high - scaling.low)).clamp(0, 1)
    return kept_E + (1 - kept_E) / scaling.factor


def _yarn_scale(frequency_E: Tensor, theta: float, scaling: RopeScaling) -> Tensor:
    half = len(frequency_E)

    def feature(turns: float) -> float:
        """The feature that turns so often within the original context."""
        return half * math.log(scaling.original_positions / (turns * 2 * math.pi)) / math.log(theta)

    # Peng et al. 2023, section 3.2, rounded outwards as in the authors' code.
    first = max(math.floor(feature(scaling.high)), 0)
    last = min(math.ceil(feature(scaling.low)), 2 * half - 1)
    feature_E = torch.arange(half, device=frequency_E.device, dtype=torch.float32)
    stretched_E = ((feature_E - first) / max(last - first, 1e-3)).clamp(0, 1)
    return (1 - stretched_E) + stretched_E / scaling.factor
