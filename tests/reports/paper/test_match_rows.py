"""Which model is which row, and what is refused."""

from __future__ import annotations

import dataclasses

import pytest

from lst_cli.artifacts import Request, Store
from lst_cli.errors import UserError
from lst_cli.reports.paper.fill_table import fill
from lst_cli.reports.paper.match_rows import check_items, read_scored
from lst_cli.reports.paper.model_facts import differences, read_facts
from lst_cli.reports.paper.paper_tables import SPECS
from tests.reports.paper.scored_models import kind_of, pretrained, scored, speech_shards, tuned


def test_rows_are_found_by_what_the_models_are_not_by_their_names(store: Store) -> None:
    scores = [
        scored(store, pretrained(store, "one", "static"), 0.7),
        scored(store, pretrained(store, "two", "baseline"), 0.5),
        scored(store, pretrained(store, "three", "bpe"), 0.4),
    ]
    table = fill(SPECS["table3"], read_scored(store, scores))
    found = {row.line.row: [each.model.name for each in row.models] for row in table.rows if row.models}
    assert found == {"baseline": ["two"], "bpe": ["three"], "static": ["one"]}
    assert any("Not run: LST aligned, LST mixed, LST curriculum" in remark for remark in table.remarks)


def test_sizes_are_told_apart_and_compared_within_a_size(store: Store) -> None:
    small = {"model": {"config": {"layers": 2, "dim": 128}}, "budget": {"steps": 300}}
    scores = [
        scored(store, pretrained(store, f"{row}-{size}", row, **changes), share)
        for size, changes in (("small", small), ("large", {}))
        for row, share in (("baseline", 0.5), ("curriculum", 0.7))
    ]
    table = fill(SPECS["fig4"], read_scored(store, scores))
    assert [row.models[0].model.name for row in table.rows] == [
        *("baseline-small", "curriculum-small", "baseline-large", "curriculum-large")
    ]


def test_models_of_other_text_data_are_not_compared(store: Store) -> None:
    models = [pretrained(store, "base", "baseline"), pretrained(store, "static", "static")]
    texts = [
        store.build(Request(kind=kind_of("shards"), name=name, config={"x": name}), lambda d: None) for name in "ab"
    ]
    found = [
        read_facts(store, dataclasses.replace(model, parents={"text_shards": text.artifact.as_parent()}))
        for model, text in zip(models, texts, strict=True)
    ]
    assert any("text_shards" in said for said in differences(*found)) and not differences(found[0], found[0])


def test_models_of_other_speech_are_not_compared(store: Store) -> None:
    scores = [
        scored(store, pretrained(store, "base", "baseline", shards=speech_shards(store, "a")), 0.5),
        scored(store, pretrained(store, "static", "static", shards=speech_shards(store, "b")), 0.6),
    ]
    with pytest.raises(UserError, match=r"can't be compared[\s\S]*differ in speech shards"):
        fill(SPECS["table3"], read_scored(store, scores))


def test_models_that_were_fine_tuned_on_other_speech_are_not_compared(store: Store) -> None:
    errors = {"wer": 0.5, "low": 0.4, "high": 0.6, "context_positions": 9}
    scores = [
        tuned(store, pretrained(store, row, row), "asr", steps, errors, shards=speech_shards(store, name))
        for row, name in (("baseline", "a"), ("curriculum", "b"))
        for steps in (50, 100, 200)
    ]
    with pytest.raises(UserError, match=r"can't be compared[\s\S]*shards of the fine-tuning"):
        fill(SPECS["table5"], read_scored(store, scores))


def test_one_model_is_a_row_for_each_distance_that_boundaries_were_moved(store: Store) -> None:
    model = pretrained(store, "m", "aligned")
    scores = [
        scored(store, model, share, patching="as-trained", **({"noise_ms": ms} if ms else {}))
        for share, ms in ((0.7, 0.0), (0.65, 20.0), (0.6, 40.0))
    ]
    table = fill(SPECS["boundary-noise"], read_scored(store, scores))
    assert [row.cells[0][0].scores for row in table.rows] == [each.reference for each in scores]
    # Table 3 takes the scores with the boundaries that the aligner found.
    row = fill(SPECS["table3"], read_scored(store, scores)).row("LST aligned")
    assert [run.scores for run in row.cells[0]] == [scores[0].reference]
    part = fill(SPECS["boundary-noise"], read_scored(store, scores[:2]))
    assert "Not run: LST aligned, boundaries moved by 40 ms." in part.remarks


def test_scores_of_variants_are_in_no_row(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    model = pretrained(store, "m", "static")
    scores = [scored(store, model, 0.7), *(scored(store, model, 0.5, **{key: "x"}) for key in ("ablation", "with_end"))]
    [found] = read_scored(store, scores)
    assert [artifact.reference for artifact, _ in found.results] == [scores[0].reference]
    told = capsys.readouterr().err
    assert "ablated (x), so no row" in told and "--with-end, so no row" in told


def test_scores_of_other_items_are_refused(store: Store) -> None:
    base, static = (
        tuned(store, pretrained(store, row, row), "asr", 50, {"wer": 0.5, "low": 0.4, "high": 0.6, "corpus": corpus})
        for row, corpus in (("baseline", "corpus/a"), ("curriculum", "corpus/b"))
    )
    scored = read_scored(store, [base, static])
    with pytest.raises(UserError, match=r"can't be compared[\s\S]*corpus/a and corpus/b"):
        check_items(SPECS["table5"], scored)


def test_scores_of_items_in_another_voice_are_refused(store: Store) -> None:
    base, static = (
        tuned(
            store,
            pretrained(store, row, row),
            "asr",
            50,
            {"wer": 0.5, "low": 0.4, "high": 0.6, "spoken": {"reference": f"corpus/{voice}", "fingerprint": voice}},
        )
        for row, voice in (("baseline", "a"), ("curriculum", "b"))
    )
    with pytest.raises(UserError, match=r"as spoken in corpus/a and in corpus/b"):
        check_items(SPECS["table5"], read_scored(store, [base, static]))


def test_the_only_size_is_not_called_the_smaller_one(store: Store) -> None:
    scores = [scored(store, pretrained(store, row, row), 0.5) for row in ("baseline", "curriculum")]
    with pytest.raises(UserError, match=r"differ in size[\s\S]*1 values[\s\S]*expected: 2"):
        fill(SPECS["fig4"], read_scored(store, scores))


def test_runs_that_differ_in_more_than_the_table_is_about_are_refused(store: Store) -> None:
    scores = [
        scored(store, pretrained(store, "base", "baseline"), 0.5),
        scored(store, pretrained(store, "static", "static", optimizer={"lr": 0.1}), 0.6),
    ]
    with pytest.raises(UserError, match=r"can't be compared[\s\S]*optimizer"):
        fill(SPECS["table3"], read_scored(store, scores))


def test_two_models_that_could_be_one_row_are_refused(store: Store) -> None:
    scores = [
        scored(store, pretrained(store, "a", "static"), 0.5),
        scored(store, pretrained(store, "b", "static", optimizer={"lr": 0.1}), 0.6),
    ]
    with pytest.raises(UserError, match=r"two models could be the row 'LST static'[\s\S]*optimizer"):
        fill(SPECS["table3"], read_scored(store, scores))


def test_scores_of_no_row_are_refused(store: Store) -> None:
    score = scored(store, pretrained(store, "s", "static", patching={"size": 7}), 0.5)
    with pytest.raises(UserError, match="no score belongs to one of its rows"):
        fill(SPECS["table3"], read_scored(store, [score]))
