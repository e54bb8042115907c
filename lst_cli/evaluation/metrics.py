"""Accuracies of multiple choice, and how sure they are.

Legend: I items, E endings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

ACCURACIES: dict[str, str] = {
    "accuracy": "highest sum of log-probabilities (the harness's acc)",
    "accuracy_per_token": "highest sum over the ending's tokens: text tokens, or speech tokens (25 a second)",
    "accuracy_per_char": "highest sum over the ending's characters (the harness's acc_norm)",
    "accuracy_per_byte": "highest sum over the ending's UTF-8 bytes (the harness's acc_bytes)",
}
"""Every accuracy that is kept, and the ending it takes for the model's answer."""


BOOTSTRAP_DRAWS = 2000


@dataclass(frozen=True)
class Interval:
    """A share or a mean with its 95% confidence interval."""

    value: float
    low: float
    high: float


def wilson(correct: float, n: int, confidence: float = 0.95) -> Interval:
    """The share ``correct / n`` with Wilson's score interval (Wilson 1927).

    :param correct: number of right answers; a tie may count in part.
    :raises ValueError: there are no items, or more correct answers than items.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} items can't be right")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and n the ends are exact; rounding must not put the share outside its own interval.
    return Interval(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def bootstrap_mean(values_I: Sequence[float], seed: int = 0) -> Interval:
    """The mean of items with a 95% bootstrap interval over them.

    :raises ValueError: there are no items.
    """
    import numpy as np

    from lst_cli.hashing import integers

    if not len(values_I):
        raise ValueError("there are no items")
    count = len(values_I)
    array_I = np.asarray(values_I, dtype=np.float64)
    draws = np.arange(BOOTSTRAP_DRAWS)
    means = [array_I[integers(0, count - 1, seed, draw, np.arange(count))].mean() for draw in draws]
    low, high = np.quantile(means, [0.025, 0.975])
    value = float(array_I.mean())
    return Interval(value, min(value, float(low)), max(value, float(high)))


def credit(scores_E: Sequence[float], label: int) -> float:
    """1 where the labelled ending alone scores highest, 1/k where it ties with k-1 others, else 0.

    The harness takes the first of tied endings. That would favour the ending that stands first in a file.
    """
    best = max(scores_E)
    tied = [ending for ending, score in enumerate(scores_E) if score == best]
    return 1 / len(tied) if label in tied else 0.0


def normalised(
    sums_E: Sequence[float], tokens_E: Sequence[int], texts_E: Sequence[str] | None
) -> dict[str, list[float]]:
    """The values that each accuracy compares, by its name in :data:`ACCURACIES`.

    :param sums_E: sum of log-probabilities of each ending's tokens.
    :param tokens_E: number of tokens of each ending.
    :param texts_E: the endings as written; None for spoken endings, which have no per-character accuracy.
    """
    result = {
        "accuracy": list(sums_E),
        "accuracy_per_token": [total / n for total, n in zip(sums_E, tokens_E, strict=True)],
    }
    if texts_E is not None:
        pairs = list(zip(sums_E, texts_E, strict=True))
        result["accuracy_per_char"] = [total / len(text) for total, text in pairs]
        result["accuracy_per_byte"] = [total / len(text.encode()) for total, text in pairs]
    return result
