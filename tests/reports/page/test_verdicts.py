"""Ahead, behind or not told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.artifacts import Store
from lst_cli.evaluation.metrics import wilson
from lst_cli.reports.number_text import interval, points
from lst_cli.reports.page.model_labels import ModelFacts
from lst_cli.reports.page.remarks import remarks
from lst_cli.reports.page.result_rows import Rows, ScoreRow, read_rows
from lst_cli.reports.page.verdicts import Verdict, compare_to_baselines, unpaired
from lst_cli.reports.training_budget import Budget


def row(correct: int, n: int, *, baseline: bool = False, positions: int = 1000) -> ScoreRow:
    label = "base" if baseline else "lst"
    model = ModelFacts(
        label=label,
        reference=f"model/{label}/1",
        fingerprint=label,
        family="baseline" if baseline else "lst",
        patching={"strategy": "none" if baseline else "static", "size": 4},
        budget=Budget(positions=positions, speech_tokens=3 * positions),
    )
    share = wilson(correct, n)
    return ScoreRow(
        model=model,
        scores=f"scores/{label}/1",
        task="storycloze",
        direction="s-s",
        metric="accuracy",
        n=n,
        accuracy=share.value,
        low=share.low,
        high=share.high,
        chance=0.5,
        identity=("storycloze",),
    )


def verdict(ours: ScoreRow, theirs: ScoreRow) -> Verdict:
    difference, low, high = unpaired(ours, theirs)
    return Verdict(row=ours, baseline=theirs, difference=difference, low=low, high=high, p=None)


counts = st.tuples(st.integers(0, 200), st.integers(0, 200))


@given(counts)
def test_swapping_the_two_swaps_the_signs(correct: tuple[int, int]) -> None:
    a, b = (row(each, 200) for each in correct)
    there, back = unpaired(a, b), unpaired(b, a)
    assert there == pytest.approx((-back[0], -back[2], -back[1]))
    assert there[1] <= there[0] <= there[2]


@given(counts)
def test_what_intervals_part_is_told_apart(correct: tuple[int, int]) -> None:
    ours, theirs = row(correct[0], 200), row(correct[1], 200, baseline=True)
    word = verdict(ours, theirs).standing
    if ours.low > theirs.high:
        assert word == "ahead"
    if ours.high < theirs.low:
        assert word == "behind"
    if ours.accuracy == theirs.accuracy:
        assert word == "no clear difference"


def test_newcombes_example() -> None:
    """56 of 70 against 48 of 80: 0.0524 to 0.3339 by method 10 (Newcombe 1998, Table II, a)."""
    assert unpaired(row(56, 70), row(48, 80)) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_positions_are_compared() -> None:
    base = row(50, 100, baseline=True)
    assert verdict(row(60, 100, positions=1005), base).equal_positions
    assert not verdict(row(60, 100, positions=2000), base).equal_positions


def test_pairs_over_the_same_items(world: Store) -> None:
    artifacts = {artifact.reference: artifact for artifact in world.all() if artifact.kind == "scores"}
    rows = read_rows(world, list(artifacts.values()))
    found = {
        (each.row.model.label, each.row.direction): each.standing
        for each in compare_to_baselines([*rows.scores, *rows.asr], artifacts)
        if each.paired
    }
    assert found == {
        ("static", "s-s"): "behind",
        ("static", "t-t"): "no clear difference",
        ("curriculum", "s-s"): "no clear difference",
        ("curriculum", "t-t"): "no clear difference",
        ("asr", "s-t"): "ahead",
    }


def test_points() -> None:
    assert [points(value) for value in (0.1234, -0.05, 0.0, -0.0001)] == ["+12.3", "−5.0", "0.0", "0.0"]
    assert interval(-0.02, 0.31) == "−2.0 to +31.0"


def test_unequal_positions_and_guessing_are_said() -> None:
    base, ours = row(52, 100, baseline=True), row(80, 100, positions=2000)
    rows = Rows(scores=[base, ours], asr=[], unknown=["scores/x/1 (task tts)"], labels={"base": "base", "lst": "lst"})
    said = " ".join(remarks(rows, [verdict(ours, base)]))
    assert "lst (static 4) against the baseline (base): ahead on StoryCloze S→S." in said
    assert "No clear difference from chance: base on StoryCloze S→S." in said
    assert "at 2 times as many positions: lst 2 times as many tokens" in said
    assert "a different number of positions" in said and "scores/x/1 (task tts)" in said
    assert "The baseline is ahead" not in said
