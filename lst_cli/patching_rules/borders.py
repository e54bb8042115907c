"""How well the borders of patches fall on those of words and silences.

Legend: T tokens, B borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lst_cli.patching.stream import Patches, TokenStream
from lst_cli.patching_rules.aligned_stream import span_ends


@dataclass(frozen=True)
class BorderScore:
    """Borders found, and how many are right."""

    matched: int
    found: int
    true: int
    tokens: int
    patches: int

    @property
    def precision(self) -> float:
        """Share of the found borders that are true."""
        return self.matched / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the true borders that were found."""
        return self.matched / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.matched / (self.found + self.true) if self.found + self.true else 0.0

    @property
    def mean_length(self) -> float:
        """Tokens of a patch on average."""
        return self.tokens / self.patches if self.patches else 0.0

    def __add__(self, other: BorderScore) -> BorderScore:
        return BorderScore(*(mine + theirs for mine, theirs in zip(_counts(self), _counts(other), strict=True)))


def _counts(score: BorderScore) -> tuple[int, ...]:
    return (score.matched, score.found, score.true, score.tokens, score.patches)


def score_borders(stream: TokenStream, patches: Patches, tolerance: int) -> BorderScore:
    """Score the borders inside of utterances; their beginnings and ends are given to every rule.

    :param stream: aligned utterances.
    :param tolerance: tolerance of a border, in tokens. A true border matches one found border at most.
    """
    inner_T = ~stream.run_starts()
    found_B = np.flatnonzero(patches.opens_T & inner_T)
    true_B = np.flatnonzero(np.append(False, span_ends(stream)[:-1]))
    # Documents far apart, so that no border matches one of another.
    apart_T = np.arange(len(inner_T)) + stream.document_T * (tolerance + 1)
    return BorderScore(
        matched=matches(apart_T[found_B].tolist(), apart_T[true_B].tolist(), tolerance),
        found=len(found_B),
        true=len(true_B),
        tokens=len(inner_T),
        patches=int(np.count_nonzero(patches.opens_T)),
    )


def matches(found_B: Sequence[int], true_B: Sequence[int], tolerance: int) -> int:
    """The largest number of pairs that are at most ``tolerance`` apart, each border in one; both rising.

    Going from left to right, the earliest borders that fit each other are a pair of some largest matching.
    """
    pairs = found = true = 0
    while found < len(found_B) and true < len(true_B):
        distance = found_B[found] - true_B[true]
        if abs(distance) <= tolerance:
            pairs, found, true = pairs + 1, found + 1, true + 1
        elif distance < 0:
            found += 1
        else:
            true += 1
    return pairs
