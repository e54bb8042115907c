from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.alignment.align_corpus import plan_run
from lst_cli.alignment.characters import letters_of_characters
from lst_cli.alignment.emissions.spelling import LETTERS, Spelling
from lst_cli.alignment.forced import label_begins
from lst_cli.alignment.words import Unalignable, spoken_words
from lst_cli.artifacts import Artifact, Store
from tests.alignment.test_align_corpus import ALONE, options, rows_of
from tests.alignment.tones import Spoken


def _places(text: str, letters: frozenset[str] = LETTERS) -> list[tuple[str, int]]:
    """Each character of the words of a text, with its letter of the spoken form."""
    found = []
    for word in spoken_words(text, letters):
        found += zip(word.text, letters_of_characters(word, letters), strict=True)
    return found


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("Cat", [0, 1, 2]),
        ("will", [0, 1, 2, 3]),
        # What has no letter begins with the next character, at the end of the word behind the last letter.
        ("“Cat,”", [0, 0, 1, 2, 3, 3]),
        ("ill-bred", [0, 1, 2, 3, 3, 4, 5, 6]),
        ("don't", [0, 1, 2, 3, 3]),
        ("U.S.", [0, 1, 1, 2]),
        ("- so", [0, 0, 0, 1]),
        ("cafe\u0301s", [0, 1, 2, 3, 4, 4]),
        ("cafés", [0, 1, 2, 3, 4]),
        ("Ærø", [0, 2, 3]),
        # "twenty one", "five dollars" and "nineteen ninety five", shared out evenly.
        ("21", [0, 5]),
        ("$5,", [0, 6, 11]),
        ("1995", [0, 5, 9, 14]),
    ],
)
def test_letter_of_each_character(text: str, letters: list[int]) -> None:
    assert [letter for _, letter in _places(text)] == letters


def test_apostrophes_that_the_aligner_knows() -> None:
    letters = frozenset(LETTERS | {"'"})
    assert [letter for _, letter in _places("don't", letters)] == [0, 1, 2, 3, 4]
    assert [letter for _, letter in _places("'tis", letters)] == [0, 0, 1, 2]


@given(st.text(st.sampled_from("abé'’-.,“”$5½İßæ 19\u0301"), max_size=12))
def test_letters_never_fall_and_stay_within_the_word(text: str) -> None:
    try:
        words = spoken_words(text, LETTERS)
    except Unalignable:
        return
    for word in words:
        places = letters_of_characters(word, LETTERS)
        assert len(places) == len(word.text) and places == sorted(places)
        assert places[0] >= 0 and places[-1] <= sum(map(len, word.parts))


def test_blanks_within_a_word_are_halved_and_those_between_words_are_not() -> None:
    spelling = Spelling((1, 2, 9, 3), (0, 0, -1, 1), (0, 1, -1, 0))
    position_U = np.array([-1, 0, -1, -1, -1, -1, 1, -1, 2, -1, 3])
    assert label_begins(spelling, position_U).tolist() == [1, 4, 8, 10]


def test_characters_are_where_they_were_spoken(
    store: Store, corpus: Artifact, tokens: Artifact, aligner: Artifact, spoken: list[Spoken]
) -> None:
    """Against sharing out a word's speech evenly to its letters, which differ in length by more than two."""
    rows = rows_of(store.build(*plan_run(options(corpus, tokens, aligner), ALONE)).artifact)
    aligned, even = [], []
    for one in spoken:
        row = rows[one.id]
        spans = zip(row["words"], row["starts"], row["ends"], row["char_starts"], one.letters_s, strict=True)
        for word, start, end, begins, letters_s in spans:
            assert len(begins) == len(word) and begins[0] == 0 and begins[-1] <= end - start
            assert all(a <= b for a, b in pairwise(begins))
            aligned += ((start + np.array(begins[1:])) * 0.04 - letters_s[1:]).tolist()
            even += ((start + (end - start) * np.arange(1, len(word)) // len(word)) * 0.04 - letters_s[1:]).tolist()
    # In the median 11 ms, of which rounding to tokens makes 10, against 21 ms; of the 90th percentile 26 against 51 ms.
    assert np.median(np.abs(aligned)) < 0.015
    assert np.quantile(np.abs(aligned), 0.9) < 0.6 * np.quantile(np.abs(even), 0.9)
