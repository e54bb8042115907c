"""Cells of a table: means over seeds, compute saved."""

from __future__ import annotations

import pytest

from lst_cli.artifacts import Store
from lst_cli.reports.paper.fill_table import fill
from lst_cli.reports.paper.match_rows import read_scored
from lst_cli.reports.paper.paper_tables import SPECS
from lst_cli.reports.paper.seed_statistics import spread
from tests.reports.paper.scored_models import pretrained, scored


def test_seeds_become_a_mean_with_their_spread(store: Store) -> None:
    scores = [
        scored(store, pretrained(store, f"{row}-{seed}", row, seed), share)
        for row, shares in (("baseline", (0.4, 0.5, 0.6)), ("static", (0.6, 0.7, 0.8)))
        for seed, share in enumerate(shares)
    ]
    table = fill(SPECS["table9"], read_scored(store, scores))
    static = table.row("LST static")
    values = [run.value for run in static.cells[0]]
    assert [run.seed for run in static.cells[0]] == [0, 1, 2] and static.spread(0) == spread(values)
    found = static.spread(0)
    assert found is not None and found.runs == 3 and found.low < min(values) < found.high


def test_students_interval_of_three_runs() -> None:
    found = spread([0.40, 0.41, 0.42])
    assert found.mean == pytest.approx(0.41) and found.std == pytest.approx(0.01)
    assert found.high - found.mean == pytest.approx(4.303 * 0.01 / 3**0.5)


def test_compute_saved_is_of_the_baseline_of_the_same_seed(store: Store) -> None:
    data = {"budget": {"mode": "data-controlled"}}
    scores = [
        scored(store, pretrained(store, "base", "baseline", **data), 0.5),
        scored(store, pretrained(store, "static", "static"), 0.6),
        scored(store, pretrained(store, "curriculum", "curriculum", **data), 0.6),
    ]
    table = fill(SPECS["table4"], read_scored(store, scores))
    assert table.row("LST static").cells[0][0].value == pytest.approx(0.25)
    assert table.row("LST curriculum").cells[0][0].value == pytest.approx(0.25)
    assert not table.row("Base").cells[0]


def test_aligned_models_take_their_scores_with_aligned_patches(store: Store) -> None:
    aligned = pretrained(store, "aligned", "aligned")
    static = scored(store, aligned, 0.4)
    table = fill(SPECS["table6"], read_scored(store, [static]))
    assert [run.scores for run in table.row("LST aligned").cells[0]] == [static.reference]
    assert any("Scored with static patches" in remark and "LST aligned" in remark for remark in table.remarks)
    as_trained = scored(store, aligned, 0.8, patching="as-trained")
    table = fill(SPECS["table6"], read_scored(store, [static, as_trained]))
    assert [run.scores for run in table.row("LST aligned").cells[0]] == [as_trained.reference]
    assert not any("static patches, where" in remark for remark in table.remarks)


def test_other_models_take_their_scores_with_static_patches(store: Store) -> None:
    model = pretrained(store, "curriculum", "curriculum")
    static, as_trained = scored(store, model, 0.4), scored(store, model, 0.8, patching="as-trained")
    table = fill(SPECS["table6"], read_scored(store, [as_trained, static]))
    assert [run.scores for run in table.row("LST curriculum").cells[0]] == [static.reference]


def test_original_recordings_are_columns_of_their_own(store: Store) -> None:
    scores = [
        scored(store, pretrained(store, row, row), share + 0.2 * (recordings == "items"), task, recordings=recordings)
        for row, share in (("baseline", 0.5), ("curriculum", 0.7))
        for task in ("storycloze", "topicstorycloze")
        for recordings in ("items", "items-original")
    ]
    table = fill(SPECS["table11"], read_scored(store, scores))
    assert [column.part for column in table.spec.columns] == ["original", "", "original", ""]
    original, own = (table.row("Base").cells[n][0] for n in (0, 1))
    assert "original" in original.scores and "original" not in own.scores and original.value < own.value
    ours = fill(SPECS["table11"], read_scored(store, [each for each in scores if "original" not in each.name]))
    assert [column.part for column in ours.spec.columns] == ["", ""] and ours.row("Base").line.paper == [0.591, 0.875]
