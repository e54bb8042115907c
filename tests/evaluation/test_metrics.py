"""Intervals and accuracies against values known from elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.evaluation.metrics import ACCURACIES, Interval, bootstrap_mean, credit, normalised, wilson


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_the_literature(correct: int, n: int, low: float, high: float) -> None:
    interval = wilson(correct, n)
    assert interval.value == correct / n
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_contains_the_share(case: tuple[int, int]) -> None:
    interval = wilson(*case)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_wilson_refuses_the_impossible() -> None:
    for correct, n in [(0, 0), (3, 2), (-1, 2)]:
        with pytest.raises(ValueError, match="can't be right"):
            wilson(correct, n)


def test_ties_share_the_credit() -> None:
    assert credit([-1.0, -2.0], 0) == 1
    assert credit([-1.0, -2.0], 1) == 0
    assert credit([-1.0, -1.0, -3.0, -1.0], 3) == pytest.approx(1 / 3)
    assert credit([-1.0, -1.0, -3.0], 2) == 0


def test_each_accuracy_divides_by_its_own_length() -> None:
    # Each normalisation prefers another ending: the last character has two bytes.
    scores = normalised([-6.0, -8.0], [2, 4], ["abcdef", "aé"])
    assert scores == {
        "accuracy": [-6.0, -8.0],
        "accuracy_per_token": [-3.0, -2.0],
        "accuracy_per_char": [-1.0, -4.0],
        "accuracy_per_byte": [-1.0, -8 / 3],
    }
    assert set(scores) == set(ACCURACIES)
    assert set(normalised([-1.0], [1], None)) == {"accuracy", "accuracy_per_token"}


def test_a_bootstrapped_mean_lies_in_an_interval_that_narrows_with_more_items() -> None:
    few, many = bootstrap_mean([0.0, 1.0] * 5), bootstrap_mean([0.0, 1.0] * 500)
    assert few.value == many.value == 0.5
    assert 0 <= few.low < many.low < 0.5 < many.high < few.high <= 1
    assert bootstrap_mean([3.0]) == Interval(3.0, 3.0, 3.0)
    assert bootstrap_mean([0.0, 1.0] * 5) == few
    with pytest.raises(ValueError, match="no item"):
        bootstrap_mean([])
