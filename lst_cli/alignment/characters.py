"""Where the characters of words begin in speech tokens, by the letters that forced alignment has laid over the speech.

Aligned patches of text tokens need it: a text token is a run of a word's characters as the transcript spells them, and
the aligner knows the letters of what is spoken.

1. A character begins where the first of its letters begins. Doubled letters that are aligned as one begin together.
2. A character without a letter (punctuation, a hyphen) begins where the next one does; at the end of a word it begins
   where the word ends, and has no speech.
3. Where a word is not spoken as it is spelled (``1995``, ``$5``), its letters are shared out evenly to its digits,
   symbols and letters.

Legend: L labels of an utterance, C characters of a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence, Set
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.alignment.number_names import CURRENCIES, SYMBOLS
from lst_cli.alignment.words import Unalignable, Word, plain_letters, spoken_letters
from lst_cli.units.frames import FRAME_SAMPLES

if TYPE_CHECKING:
    from lst_cli.alignment.confidence import PlacedWords
    from lst_cli.alignment.emissions.emitters import Emitter

_PART = re.compile(r"[^\s']+(?:'+[^\s']+)*")
"""Letters of a spoken form between white space, without apostrophes at its edges."""


def character_starts(
    words: Sequence[Word], placed: PlacedWords, starts: Sequence[int], ends: Sequence[int], emitter: Emitter
) -> list[list[int]]:
    """For each character of each word, the speech tokens from the word's start to where it begins.

    Never less than for the character before it, 0 for the first one, and at most the word's length.

    :param starts: the first speech token of each word.
    :param ends: the token after its last one.
    """
    begin_L = np.floor((emitter.offset + emitter.hop * placed.begin_L) / FRAME_SAMPLES + 0.5).astype(int).tolist()
    letters: list[list[int]] = [[] for _ in words]
    for begin, owner, letter in zip(begin_L, placed.spelling.words, placed.spelling.letters, strict=True):
        if owner >= 0:
            own = letters[owner]
            own += own[-1:] * (letter - len(own))
            own.append(begin)
    found = []
    for word, own, start, end in zip(words, letters, starts, ends, strict=True):
        spoken = sum(map(len, word.parts))
        # What widens a word is the first letter's; a doubled letter at the end begins with the one before it.
        begins = [start, *own[1:], *own[-1:] * (spoken - len(own)), end]
        within = [
            min(max(begins[letter], start), end) - start for letter in letters_of_characters(word, emitter.letters)
        ]
        found.append([0, *within[1:]])
    return found


def letters_of_characters(word: Word, letters: Set[str]) -> list[int]:
    """For each character of a word (C), the letter of the spoken form with which it begins; their number for none.

    :param letters: those that the aligner has labels for.
    """
    owners = _spelled(word, letters)
    if owners is None:
        owners = _shared_out(word)
    first: dict[int, int] = {}
    for letter, character in enumerate(owners):
        first.setdefault(character, letter)
    following, found = len(owners), []
    for character in reversed(range(len(word.text))):
        following = first.get(character, following)
        found.append(following)
    return found[::-1]


def _spelled(word: Word, letters: Set[str]) -> list[int] | None:
    """The character of each spoken letter; None where the word is not spoken as it is spelled."""
    spoken, owners = "", []
    try:
        for place, character in _characters(word.text):
            for char in unicodedata.normalize("NFC", plain_letters(character)):
                own = spoken_letters(char, letters, word.text)
                spoken += own
                owners += [place] * len(own)
    except Unalignable:  # a digit
        return None
    kept = [place for part in _PART.finditer(spoken) for place in range(*part.span())]
    same = "".join(spoken[place] for place in kept) == "".join(word.parts)
    return [owners[place] for place in kept] if same else None


def _characters(text: str) -> Iterator[tuple[int, str]]:
    """Place of each character, and the character with its combining marks."""
    place = 0
    while place < len(text):
        stop = place + 1
        while stop < len(text) and unicodedata.combining(text[stop]):
            stop += 1
        yield place, text[place:stop]
        place = stop


def _shared_out(word: Word) -> list[int]:
    """The character of each spoken letter, the same number of letters for each."""
    text = word.text
    speaking = [place for place, char in enumerate(text) if char.isalnum() or char in SYMBOLS or char in CURRENCIES]
    speaking = speaking or list(range(len(text)))
    spoken = sum(map(len, word.parts))
    return [speaking[letter * len(speaking) // spoken] for letter in range(spoken)]
