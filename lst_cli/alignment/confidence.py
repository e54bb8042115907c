"""Confidence of an alignment: a transcript against a decoy of it, aligned to the same speech by the same model.

The score of a word, p(letter) / p(best label), means little by itself: a model that has learnt nothing finds all
letters equally likely, and a new voice lowers all scores. So the decoy's score, the same words spelled backwards in
reverse order, is the zero of the scale, and full agreement is 1. Legend: U frames, V labels, L labels of the utterance,
W words.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lst_cli.alignment.forced import best_path, label_begins, word_spans
from lst_cli.alignment.words import Unalignable, Word

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from lst_cli.alignment.emissions.spelling import Spelling

_LEAST_DIFFERENCE = 1e-3
"""A decoy whose mean log score is closer to 0 than this shows that the model prefers no letter to any other."""


class Speller(Protocol):
    """The part of an emitter that spells."""

    @property
    def letters(self) -> Set[str]:
        """Lower-case letters that it has labels for."""

    @property
    def blank(self) -> int:
        """Its label for no letter."""

    def spell(self, words: Sequence[Word]) -> Spelling:
        """The labels of a transcript."""


@dataclass(frozen=True)
class PlacedWords:
    """Words aligned to the frames of one clip."""

    first_W: NDArray[np.int64]
    end_W: NDArray[np.int64]
    """Exclusive."""
    scores_W: NDArray[np.float32]
    """Confidence of each word, from 0 (no better than a decoy) to 1."""
    score: float
    """Score of the utterance: on average 0 for a wrong transcript, at most 1."""
    spelling: Spelling
    begin_L: NDArray[np.int64]
    """Frame at which each label of the spelling begins."""


def place(logp_UV: Tensor, words: Sequence[Word], speller: Speller) -> PlacedWords:
    """Align words to a clip, with their confidence.

    :raises Unalignable: there are more letters than frames.
    """
    spelling = speller.spell(words)
    position_U = best_path(logp_UV, spelling.labels, speller.blank)
    first_W, end_W, ratio_W = word_spans(logp_UV, spelling, position_U)
    begin_L = label_begins(spelling, position_U)
    floor = _decoy_score(logp_UV, words, spelling, speller)
    if floor > -_LEAST_DIFFERENCE:
        return PlacedWords(first_W, end_W, np.zeros(len(words), np.float32), 0.0, spelling, begin_L)
    relative_W = 1 - ratio_W / floor
    scores_W = relative_W.clip(0, 1).astype(np.float32)
    return PlacedWords(first_W, end_W, scores_W, float(relative_W.mean()), spelling, begin_L)


def _decoy_score(logp_UV: Tensor, words: Sequence[Word], own: Spelling, speller: Speller) -> float:
    """Mean log score of a decoy's words; 0 where there is none."""
    for make in (_backwards, _other_letters):
        spelling = speller.spell(make(words, speller.letters))
        if spelling.labels == own.labels:  # "anna", "a"
            continue
        try:
            position_U = best_path(logp_UV, spelling.labels, speller.blank)
            return float(word_spans(logp_UV, spelling, position_U)[2].mean())
        except Unalignable:  # letters that meet at a word's edge need a frame between them
            continue
    return 0.0


def _backwards(words: Sequence[Word], letters: Set[str]) -> list[Word]:
    return [Word(word.text, tuple(part[::-1] for part in reversed(word.parts))) for word in reversed(words)]


def _other_letters(words: Sequence[Word], letters: Set[str]) -> list[Word]:
    """Each letter replaced by the one half the alphabet away."""
    alphabet = sorted(letter for letter in letters if letter != "'")
    other = {letter: alphabet[(at + len(alphabet) // 2) % len(alphabet)] for at, letter in enumerate(alphabet)}
    return [Word(word.text, tuple("".join(other.get(c, c) for c in part) for part in word.parts)) for word in words]
