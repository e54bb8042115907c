"""Rules of random weights, for each strategy whose rule is learnt."""

from __future__ import annotations

import numpy as np

from lst_cli.patching.entropy import Entropy
from lst_cli.patching.hazard import Hazard
from lst_cli.patching.stream import Rule


def hazard(units: int, longest: int = 5) -> Hazard:
    """It looks at three units."""
    rng = np.random.default_rng(0)
    return Hazard(
        weight_DU=rng.normal(size=(3, units + 1)).astype(np.float32),
        length_L=rng.normal(size=longest).astype(np.float32),
        threshold=0.5,
    )


def entropy(units: int, longest: int = 5, *, rises: bool) -> Entropy:
    """It looks at three units."""
    rng = np.random.default_rng(1)
    return Entropy(
        input_DUH=(rng.normal(size=(3, units + 1, 8)) * 40).astype(np.float32),
        bias_H=(rng.normal(size=8) * 20).astype(np.float32),
        output_HU=rng.integers(-127, 128, (8, units)).astype(np.int8),
        output_step=2e-4,
        bias_U=rng.normal(size=units).astype(np.float32),
        rises=rises,
        longest=longest,
        threshold=0.05 if rises else 0.75 * float(np.log(units)),
    )


def fitted_rules(units: int) -> dict[str, Rule]:
    """By strategy."""
    return {"hazard": hazard(units), "entropy": entropy(units, rises=True)}
