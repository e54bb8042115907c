"""Numbers that are not finite stop a command where they appear, with their cause."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from lst_cli.errors import LstError, UserError


def check_finite_weights(weights: Mapping[str, Any], name: str) -> None:
    """Check that weights are finite numbers.

    :param weights: torch tensors or numpy arrays, by name; tensors of whole numbers are skipped.
    :param name: what errors call the model.
    :raises UserError: names the first tensor with NaN or infinity, and how many numbers of it are bad.
    """
    import numpy as np

    for key, value in weights.items():
        if isinstance(value, np.ndarray):
            finite: Any = np.isfinite(value)
        elif value.is_floating_point():
            finite = value.isfinite()
        else:
            continue
        if not finite.all():
            total = math.prod(value.shape)
            raise UserError(
                f"{name}: the weights contain numbers that are not finite",
                found=f"{total - int(finite.sum()):,} of {total:,} in {key}",
                expected="finite numbers",
                fix="use an earlier checkpoint of the model, or convert it again: its training or conversion failed",
            )


def check_finite_outputs(values: Iterable[float], what: str) -> None:
    """Check what a model computed.

    :param what: the name of the numbers, as in "log-probabilities".
    :raises LstError: one is NaN or positive infinity.
    """
    for value in values:
        if math.isnan(value) or value == math.inf:
            raise LstError(
                f"the model's {what} are not finite",
                found=str(value),
                expected="finite numbers",
                fix="compute in float32 if the command has an option --precision; otherwise the weights are too large",
            )
