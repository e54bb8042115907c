"""From a transcript to words and the letters that are spoken, by stated rules. The original words are kept.

1. Words are what stands between white space, spelled as in the transcript. A marker in brackets (``[noise]``,
   ``<unk>``) is not a word. A token with nothing to say (a dash, a quotation mark by itself) is joined to the word
   before it, at the beginning to the word after it.
2. Digits and symbols are spoken (:mod:`lst_cli.alignment.numbers`).
3. Letters are lower-cased. A letter that the aligner does not know loses its accents (``é`` to ``e``) or is spelled out
   (``æ`` to ``ae``). If it still does not know it, the utterance can't be aligned.
4. Full stops, apostrophes, quotation marks and brackets are dropped (``U.S.A.`` to ``usa``, ``(s)he`` to ``she``); an
   apostrophe between letters stays where the aligner knows it. All other punctuation splits a word (``ill-disposed``
   to ``ill disposed``), which stays one word of the alignment.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Set
from dataclasses import dataclass

from lst_cli.alignment.numbers import speak_tokens
from lst_cli.text.markers import is_marker

_SPELLED_OUT = {"æ": "ae", "œ": "oe", "ø": "o", "ß": "ss", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "＇": "'"})
_VANISHING = frozenset(["Pi", "Pf", "Ps", "Pe", "Mn", "Mc", "Me", "Cf", "Cc"])
"""Unicode categories: quotation marks, brackets, combining marks, invisible characters."""


class Unalignable(ValueError):
    """An utterance that can't be aligned; the message says why. It is rejected, and the stage continues."""


@dataclass(frozen=True)
class Word:
    """A word of a transcript."""

    text: str
    """As the transcript spells it."""
    parts: tuple[str, ...]
    """The spoken form, in letters that the aligner knows; several for ``ill-disposed`` or ``21``. Never empty."""


def spoken_words(text: str, letters: Set[str], language: str = "en") -> list[Word]:
    """The words of a transcript and their spoken forms.

    :param letters: the lower-case letters that the aligner has labels for (with ``'`` if it has).
    :param language: for numbers, a code that num2words knows.
    :raises Unalignable: the transcript has no words, or a letter that the aligner does not know.
    """
    words: list[Word] = []
    silent: list[str] = []
    tokens = [token for token in text.split() if not is_marker(token)]
    plain = [plain_letters(token) for token in tokens]
    for token, spoken in zip(tokens, speak_tokens(plain, language), strict=True):
        parts = _parts(token, spoken, letters)
        if parts:
            words.append(Word(" ".join([*silent, token]), parts))
            silent = []
        elif words:
            words[-1] = Word(f"{words[-1].text} {token}", words[-1].parts)
        else:
            silent.append(token)
    if not words:
        raise Unalignable("the transcript has no words")
    return words


def plain_letters(text: str) -> str:
    """Text in lower case, with one kind of apostrophe."""
    return text.translate(_APOSTROPHES).lower()


def _parts(token: str, spoken: str, letters: Set[str]) -> tuple[str, ...]:
    letters_of = "".join(spoken_letters(char, letters, token) for char in unicodedata.normalize("NFC", spoken))
    # An apostrophe at an edge is a quotation mark or silent.
    return tuple(part.strip("'") for part in letters_of.split() if part.strip("'"))


def spoken_letters(char: str, letters: Set[str], token: str) -> str:
    """What is spoken of a lower-case character: letters, nothing, or a space where it splits a word.

    :param token: for the message.
    :raises Unalignable: it is a letter or a digit, and the aligner has no label for it.
    """
    if char in letters:
        return char
    plain = _SPELLED_OUT.get(char) or unicodedata.normalize("NFKD", char)
    known = "".join(c for c in plain if c in letters)
    if known:
        return known
    category = unicodedata.category(char)
    if char in ".'\"" or category in _VANISHING:
        return ""
    if category[0] in "LN":
        raise Unalignable(f"the aligner has no label for {char!r} in {token!r}")
    return " "


def single_letters(part: str) -> list[int]:
    """The places of a part's letters, doubled ones once (``wil`` of ``will``): how long a letter sounds does not follow
    from its spelling.
    """
    return [place for place, letter in enumerate(part) if part[place - 1 : place] != letter]
