"""Auto-BLEU against its published formula."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.evaluation.speech.auto_bleu import auto_bleu, repeated_share

WORDS = st.lists(st.sampled_from("abcde"), max_size=12)


@given(WORDS, st.integers(1, 3))
def test_it_is_the_published_formula(words: list[str], order: int) -> None:
    # Lakhotia et al. 2021: the sum over n-grams s of [s is in NG without s], over their number.
    grams = [words[start : start + order] for start in range(len(words) - order + 1)]
    repeated = sum(gram in grams[:place] + grams[place + 1 :] for place, gram in enumerate(grams))
    assert repeated_share(words, order) == (repeated / len(grams) if grams else 0)


def test_by_hand() -> None:
    words = ["the", "cat", "saw", "the", "cat", "run"]
    # 4 of 6 words and 2 of 5 pairs ("the cat", twice) occur again.
    assert repeated_share(words, 1) == pytest.approx(4 / 6)
    assert repeated_share(words, 2) == pytest.approx(2 / 5)
    assert auto_bleu(words) == pytest.approx((4 / 6 * 2 / 5) ** 0.5)


@pytest.mark.parametrize(("text", "score"), [("", 0), ("one", 0), ("all words differ", 0), ("no no no no", 1)])
def test_the_ends_of_the_scale(text: str, score: float) -> None:
    assert auto_bleu(text.split()) == score
