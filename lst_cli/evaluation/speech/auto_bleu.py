"""Auto-BLEU (Lakhotia et al. 2021, section 4.2): how much an utterance repeats itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

ORDERS = (1, 2)
"""N-gram lengths of the published score."""


def repeated_share(words: Sequence[str], order: int) -> float:
    """Share of an utterance's n-grams that occur again in the same utterance: auto-BLEU of one order.

    Overlapping occurrences count, as in the paper's formula. An utterance without n-grams of this length has 0.
    """
    grams = Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))
    return sum(count for count in grams.values() if count > 1) / grams.total() if grams else 0.0


def auto_bleu(words: Sequence[str]) -> float:
    """Geometric mean of the shares of repeated words and word pairs, 0 to 1."""
    return math.prod(repeated_share(words, order) for order in ORDERS) ** (1 / len(ORDERS))
