"""Sets a rule's threshold to a wanted mean length of patches."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import numpy as np

from lst_cli.errors import UserError
from lst_cli.patching.entropy import Entropy
from lst_cli.patching.hazard import Hazard
from lst_cli.patching.stream import Rule, TokenStream

_HALVINGS = 40
_WIDEST = 64.0
"""Logits and entropies are smaller."""

Thresholded = TypeVar("Thresholded", Hazard, Entropy)


def mean_length(rule: Rule, stream: TokenStream) -> float:
    """Tokens of a patch on average."""
    return len(stream.unit_T) / int(np.count_nonzero(rule.patch(stream).opens_T))


def with_mean(rule: Thresholded, stream: TokenStream, mean: float) -> Thresholded:
    """The rule with the threshold at which patches have the wanted mean length.

    :raises UserError: no threshold gives it.
    """
    low, high = -_WIDEST, _WIDEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        rule = dataclasses.replace(rule, threshold=middle)
        low, high = (middle, high) if mean_length(rule, stream) < mean else (low, middle)
    found = mean_length(rule, stream)
    if abs(found - mean) > 0.05 * mean:
        raise UserError(
            f"--mean {mean:g}: no threshold gives patches of this mean length",
            found=f"the nearest is {found:.2f} tokens",
            expected=f"between about 2 and the longest patch, {rule.longest} tokens",
            fix="change --mean or --longest",
        )
    return rule
