"""From words to the labels of a model, one after the other, and which word each label belongs to."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from lst_cli.alignment.words import Word, single_letters

BLANK = 0
"""Label of the small aligner for a frame without a letter: silence, for its training lets it stand nowhere else."""

LETTERS = frozenset(string.ascii_lowercase)
"""Letters that the small aligner knows. An apostrophe has no sound."""

N_LABELS = 1 + 2 * len(LETTERS)
"""Blank, 26 letters inside a word, 26 letters that begin one."""


@dataclass(frozen=True)
class Spelling:
    """The labels of an utterance."""

    labels: tuple[int, ...]
    words: tuple[int, ...]
    """Index of the word that each label belongs to; -1 for a separator between words."""
    letters: tuple[int, ...]
    """Which letter of its word's spoken form (all parts together) each label stands for; -1 for a separator."""


def spell(words: Sequence[Word]) -> Spelling:
    """Spell words for the small aligner.

    Word-initial letters have separate labels, so that the model learns the sound of word beginnings, and
    where two words meet in the same letter (``most times``) the boundary is still between two labels. Doubled letters
    are written once.
    """
    labels: list[int] = []
    owners: list[int] = []
    places: list[int] = []
    for index, word in enumerate(words):
        before = 0
        for part in word.parts:
            kept = single_letters(part)
            letters = [1 + ord(part[place]) - ord("a") for place in kept]
            letters[0] += len(LETTERS)
            labels += letters
            owners += [index] * len(letters)
            places += [before + place for place in kept]
            before += len(part)
    return Spelling(tuple(labels), tuple(owners), tuple(places))
