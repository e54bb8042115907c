"""The paired test against values worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.errors import UserError
from lst_cli.evaluation.compare import Comparison, comparison_rows, paired, paired_rates, sign_test


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(0, 0, 1.0), (5, 0, 2 / 32), (0, 5, 2 / 32), (3, 3, 1.0), (9, 1, 22 / 1024), (1, 0, 1.0)],
)
def test_sign_test(wins: int, losses: int, p: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(p)


def test_many_flips_don_t_overflow() -> None:
    assert 0 <= sign_test(2000, 3000) < 1e-40


def test_flips() -> None:
    a = {"one": 1.0, "two": 0.0, "three": 1.0, "four": 0.5, "five": 0.0}
    b = {"five": 0.0, "four": 1.0, "three": 0.0, "two": 1.0, "one": 1.0}
    row = paired("s-s", "accuracy", a, b)
    assert (row.gained, row.lost, row.n) == (["two", "four"], ["three"], 5)
    assert row.a == pytest.approx(0.5) and row.b == pytest.approx(0.6)
    assert row.difference == pytest.approx(0.1) and row.low < 0.1 < row.high
    assert row.p == 1.0
    assert comparison_rows([row])[0][5] == "+2 -1"


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_swapping_the_models_swaps_the_signs(pairs: list[tuple[bool, bool]]) -> None:
    a = {str(n): float(x) for n, (x, _) in enumerate(pairs)}
    b = {str(n): float(y) for n, (_, y) in enumerate(pairs)}
    there, back = paired("t-t", "accuracy", a, b), paired("t-t", "accuracy", b, a)
    assert there.difference == -back.difference and there.p == back.p and there.gained == back.lost
    assert -1 <= there.low <= there.difference <= there.high <= 1


def outcome(both: int, gained: int, lost: int) -> Comparison:
    """B against A, when so many items are right for both, for B alone, for A alone."""
    kinds = [(1.0, 1.0)] * both + [(0.0, 1.0)] * gained + [(1.0, 0.0)] * lost
    return paired("t-t", "accuracy", *({str(n): pair[side] for n, pair in enumerate(kinds)} for side in (0, 1)))


def test_the_interval_of_agresti_and_min() -> None:
    # By their formula: 4 of 240 items flipped, all one way; (4.5 - 0.5) / 242, with (4.5 + 0.5) / 242 squared sizes.
    row = outcome(236, 4, 0)
    half = 1.959964 * math.sqrt((5 / 242 - (4 / 242) ** 2) / 242)
    assert (row.low, row.high) == (pytest.approx(4 / 242 - half), pytest.approx(4 / 242 + half))


@pytest.mark.parametrize(("gained", "lost", "apart"), [(0, 0, False), (1, 0, False), (4, 0, False), (8, 0, True)])
def test_few_flips_tell_nothing_apart(gained: int, lost: int, apart: bool) -> None:
    row = outcome(240 - gained - lost, gained, lost)
    assert (row.low > 0) == apart == (row.p < 0.05) and row.low < row.high


@pytest.mark.parametrize(("up", "down"), [(0.02, 0.02), (0.1, 0.02), (0.3, 0.1), (0.5, 0.1)])
def test_the_interval_covers_a_known_difference(up: float, down: float) -> None:
    n, covered = 40, 0.0
    for gained in range(n + 1):
        for lost in range(n + 1 - gained):
            ways = math.comb(n, gained) * math.comb(n - gained, lost)
            row = outcome(n - gained - lost, gained, lost)
            if row.low <= up - down <= row.high:
                covered += ways * up**gained * down**lost * (1 - up - down) ** (n - gained - lost)
    assert 0.93 < covered <= 1


def test_error_rates_are_compared_by_utterance() -> None:
    a = {str(n): (2, 10) for n in range(50)}
    b = {str(n): (1 + (n % 5 == 0) * 2, 10) for n in range(50)}
    row = paired_rates(a, b)
    assert (row.a, row.b, row.n) == (pytest.approx(0.2), pytest.approx(0.14), 50)
    assert row.low < row.difference < row.high < 0 and row.difference == pytest.approx(-0.06)
    assert (len(row.gained), len(row.lost)) == (40, 10) and row.p < 0.001
    with pytest.raises(UserError, match="the first 50"):
        paired_rates(a, {**b, "50": (0, 1)})
