"""Word and character error rates, with counts and bootstrap intervals.

A rate is the number of substitutions, deletions and insertions over the number of words (or characters) of the
references, summed over all utterances; it can pass 1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lst_cli.evaluation.metrics import BOOTSTRAP_DRAWS, Interval
from lst_cli.text.markers import is_marker

NORMALISER = "lst-2"
"""Name of :func:`normalise`'s rules; part of every result. ``lst-1`` removed or split at vowel and tone marks."""

_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "＇": "'"})
_APOSTROPHE_OUTSIDE = re.compile(r"(?<![^ '])'|'(?![^ '])")


def normalise(text: str) -> str:
    """The normal form in which transcripts are compared.

    Markers in brackets (``[noise]``, ``<unk>``) are dropped. Compatibility forms and upper case are resolved (NFKC,
    case folding). Letters, digits and the marks on them stay: vowel signs, tone marks, accents without a composed
    form. Apostrophes are ``'`` and stay only between letters; invisible characters such as joiners vanish; everything
    else becomes a space (``well-known`` is two words); white space is one space. Numbers stay as they are written.
    """
    plain = unicodedata.normalize("NFC", text).translate(_APOSTROPHES)
    spoken = " ".join(token for token in plain.split() if not is_marker(token))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", spoken).casefold())
    # Case folding leaves a dot above the i of a Turkish capital.
    plain = "".join(_kept(folded.replace("i\u0307", "i").replace("\u200b", " ")))
    composed = unicodedata.normalize("NFC", " ".join(plain.split()))
    return " ".join(_APOSTROPHE_OUTSIDE.sub(" ", composed).split())


def _kept(text: str) -> Iterator[str]:
    """The characters of words and apostrophes; a space for each of all others."""
    in_word = False
    for char in text:
        category = unicodedata.category(char)
        if category == "Cf":
            continue
        # A mark belongs to the preceding letter, and is not part of a word on its own.
        in_word = category[0] in "LN" or (in_word and category[0] == "M")
        yield char if in_word or char == "'" else " "


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
