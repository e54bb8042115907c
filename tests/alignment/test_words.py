from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.alignment.number_words import check_language
from lst_cli.alignment.numbers import speak_numbers
from lst_cli.alignment.words import Unalignable, single_letters, spoken_words
from lst_cli.errors import UserError
from lst_cli.text.markers import is_marker

LETTERS = frozenset(string.ascii_lowercase)


def heard(text: str, letters: frozenset[str] = LETTERS) -> list[tuple[str, tuple[str, ...]]]:
    return [(word.text, word.parts) for word in spoken_words(text, letters)]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("21", "twenty-one"),
        ("1,234", "one thousand, two hundred and thirty-four"),
        ("3.50", "three point five zero"),
        ("1995", "nineteen ninety-five"),
        ("1990s", "nineteen nineties"),
        ("90's", "nineties"),
        ("3rd", "third"),
        ("10:30", "ten thirty"),
        ("10:05", "ten oh five"),
        ("10:00", "ten"),
        ("007", "zero zero seven"),
        ("$1.50", "one dollar fifty"),
        ("£20", "twenty pounds"),
        ("5%", "five percent"),
        ("R&B", "R and B"),
        ("mp3", "mp three"),
        ("1" * 16, " ".join(["one"] * 16)),
    ],
)
def test_numbers_are_spoken(written: str, spoken: str) -> None:
    assert " ".join(speak_numbers(written, "en").split()) == spoken.replace("  ", " ").strip()


def test_an_unknown_language_is_the_users_to_change() -> None:
    with pytest.raises(UserError, match="--language xx"):
        check_language("xx")


def test_original_words_are_kept() -> None:
    assert heard("“Mr. Dashwood's,” he said — at 21!") == [
        ("“Mr.", ("mr",)),
        ("Dashwood's,”", ("dashwoods",)),
        ("he", ("he",)),
        ("said —", ("said",)),
        ("at", ("at",)),
        ("21!", ("twenty", "one")),
    ]


def test_what_has_nothing_to_say_joins_a_neighbour() -> None:
    assert heard("... — well -") == [("... — well -", ("well",))]


def test_apostrophes_stay_between_letters_where_the_aligner_knows_them() -> None:
    known = LETTERS | {"'"}
    assert heard("don’t ‘quote’ 'tis dogs'", known) == [
        ("don’t", ("don't",)),
        ("‘quote’", ("quote",)),
        ("'tis", ("tis",)),
        ("dogs'", ("dogs",)),
    ]


def test_accents_and_ligatures() -> None:
    assert heard("Café Æsop naïve U.S.A. ill-disposed (s)he cold/hot") == [
        ("Café", ("cafe",)),
        ("Æsop", ("aesop",)),
        ("naïve", ("naive",)),
        ("U.S.A.", ("usa",)),
        ("ill-disposed", ("ill", "disposed")),
        ("(s)he", ("she",)),
        ("cold/hot", ("cold", "hot")),
    ]
    assert heard("cafe\u0301", LETTERS | {"é"}) == [("cafe\u0301", ("café",))]


@pytest.mark.parametrize("text", ["", "  ", "— ...", "\u200b"])
def test_no_words(text: str) -> None:
    with pytest.raises(Unalignable, match="no words"):
        heard(text)


def test_a_foreign_letter_is_named() -> None:
    with pytest.raises(Unalignable, match=r"no label for '你' in '你好'"):
        heard("say 你好")


def test_single_letters() -> None:
    assert [single_letters(part) for part in ("will", "a", "committee")] == [[0, 1, 2], [0], [0, 1, 2, 4, 5, 7]]


@given(st.text(max_size=60))
def test_words_rebuild_the_text_and_are_in_the_alphabet(text: str) -> None:
    try:
        words = spoken_words(text, LETTERS)
    except Unalignable:
        return
    assert " ".join(word.text for word in words) == " ".join(t for t in text.split() if not is_marker(t))
    assert all(word.parts and all(part and set(part) <= LETTERS for part in word.parts) for word in words)
