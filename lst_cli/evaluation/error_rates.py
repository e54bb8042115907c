"""Word and character error rates, with counts and bootstrap intervals.

A rate is the number of substitutions, deletions and insertions over the number of words (or characters) of the
references, summed over all utterances; it can pass 1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lst_cli.evaluation.metrics import BOOTSTRAP_DRAWS, Interval

NORMALISER = "lst-1"
"""Name of :func:`normalise`'s rules; kept in every result."""

_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'"})
_APOSTROPHE_OUTSIDE = re.compile(r"(?<!\w)'|'(?!\w)")
_NEITHER_WORD_NOR_APOSTROPHE = re.compile(r"[^\w']|_")


def normalise(text: str) -> str:
    """What two transcripts are compared as.

    Compatibility forms and upper case are resolved (NFKC, case folding); all apostrophes are ``'`` and stay only
    between letters; everything else that is no letter, mark or digit becomes a space (``well-known`` is two words);
    white space is one space. Numbers stay as they are written.
    """
    folded = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    # Combining marks without a composed form belong to their letter, but are not \w: keep letters together.
    plain = "".join(char for char in unicodedata.normalize("NFC", folded) if unicodedata.category(char) != "Mn")
    return " ".join(_NEITHER_WORD_NOR_APOSTROPHE.sub(" ", _APOSTROPHE_OUTSIDE.sub(" ", plain)).split())


@dataclass(frozen=True)
class Errors:
    """How a transcript differs from its reference."""

    length: int
    """Words or characters of the reference."""
    substitutions: int
    deletions: int
    insertions: int

    @property
    def total(self) -> int:
        """All errors."""
        return self.substitutions + self.deletions + self.insertions

    def __add__(self, other: Errors) -> Errors:
        """The errors of both."""
        return Errors(
            self.length + other.length,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


def count_errors(reference: str, hypothesis: str, of: Literal["words", "characters"]) -> Errors:
    """The fewest errors that turn the reference into the hypothesis; both are compared as given."""
    import jiwer

    process = jiwer.process_words if of == "words" else jiwer.process_characters
    out = process([reference], [hypothesis])
    return Errors(out.hits + out.substitutions + out.deletions, out.substitutions, out.deletions, out.insertions)


def rate(errors: Sequence[Errors], seed: int = 0) -> Interval:
    """The error rate over all utterances, with a 95% bootstrap interval over utterances (Bisani and Ney 2004).

    :raises ValueError: the references hold no word at all.
    """
    import numpy as np

    from lst_cli.hashing import integers

    totals_U = np.array([each.total for each in errors], dtype=np.int64)
    lengths_U = np.array([each.length for each in errors], dtype=np.int64)
    if lengths_U.sum() == 0:
        raise ValueError("the references are empty")
    count = len(errors)
    rates = []
    for draw in range(BOOTSTRAP_DRAWS):
        chosen = integers(0, count - 1, seed, draw, np.arange(count))
        length = lengths_U[chosen].sum()
        if length:
            rates.append(totals_U[chosen].sum() / length)
    low, high = np.quantile(rates, [0.025, 0.975])
    value = float(totals_U.sum() / lengths_U.sum())
    return Interval(value, min(value, float(low)), max(value, float(high)))
