"""Rules of random weights, for each strategy whose rule is learnt."""

from __future__ import annotations

import numpy as np

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


def fitted_rules(units: int) -> dict[str, Rule]:
    """By strategy."""
    return {"hazard": hazard(units)}
