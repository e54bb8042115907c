"""Tables of the paper from scores: which model is which row, means over seeds, refusals, the files."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from lst_cli.artifacts import Artifact, Request, Store
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import SCORES, write_scores
from lst_cli.main import app
from lst_cli.model_artifact.card import MODEL
from lst_cli.reports.paper.fill_table import fill
from lst_cli.reports.paper.match_rows import check_items, read_scored
from lst_cli.reports.paper.model_facts import differences, read_facts
from lst_cli.reports.paper.seed_statistics import spread
from lst_cli.reports.paper.table_text import all_gains
from lst_cli.reports.paper.tables import SPECS
from tests.reports.making import entry, make_items, make_scores, make_spoken, run, spoken_texts

STRATEGIES = {"baseline": "none", "bpe": "none"}
"""Rows whose strategy has another name."""


def _model(
    store: Store, name: str, row: str, seed: int = 0, *, shards: Artifact | None = None, **changes: Any
) -> Artifact:
    """A pretrained model with the config that pretraining would leave; ``changes`` by section."""
    config: dict[str, Any] = {
        "task": "pretrain",
        "seed": seed,
        "optimizer": {"lr": 0.002},
        "budget": {"steps": 600, "mode": "compute-controlled"},
        "model": {"architecture": "x", "config": {"layers": 4, "dim": 256}},
        "patching": {
            "strategy": STRATEGIES.get(row, row),
            "size": 4,
            "silence": "separate",
            "spans": "word",
            "boundaries": "causal",
        },
        "data": {"positions": 256, "speech_weight": 8.0, "text_weight": 1.0},
    }
    for section, values in changes.items():
        config[section] = {**config[section], **values}

    def make(draft: Any) -> None:
        flops = 2e12 if row == "baseline" else 1.5e12
        line = {"step": 600, "split": "train", "loss": 1.0, "flops": flops, "positions": 307_200, "tokens": 900_000}
        (draft.path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
        draft.statistics.update(parameters=4_000_000, steps=600)

    parents = {"shards": shards} if shards is not None else {}
    if row == "bpe":
        parents["speech_bpe"] = store.build(
            Request(kind=_kind("speech_bpe"), name="b", config={}), lambda d: None
        ).artifact
    return store.build(Request(kind=MODEL, name=name, config=config, parents=parents), make).artifact


def _kind(name: str) -> Any:
    from lst_cli.artifacts import Kind

    return Kind(name, 1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root")


def _scored(store: Store, model: Artifact, share: float, task: str = "hellaswag") -> Artifact:
    items = make_items("storycloze", 40)
    tokens, _ = make_spoken(store, "items", spoken_texts(items))
    return make_scores(store, f"{model.name}-{task}", model, tokens, items, {"s-s": share, "t-t": 0.9}, task=task)


def test_rows_are_found_by_what_the_models_are_not_by_their_names(store: Store) -> None:
    scores = [
        _scored(store, _model(store, "one", "static"), 0.7),
        _scored(store, _model(store, "two", "baseline"), 0.5),
        _scored(store, _model(store, "three", "bpe"), 0.4),
    ]
    table = fill(SPECS["table3"], read_scored(store, scores))
    found = {row.line.row: [each.model.name for each in row.models] for row in table.rows if row.models}
    assert found == {"baseline": ["two"], "bpe": ["three"], "static": ["one"]}
    assert any("Not run: LST aligned, LST mixed, LST curriculum" in remark for remark in table.remarks)


def test_seeds_become_a_mean_with_their_spread(store: Store) -> None:
    scores = [
        _scored(store, _model(store, f"{row}-{seed}", row, seed), share)
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
        _scored(store, _model(store, "base", "baseline", **data), 0.5),
        _scored(store, _model(store, "static", "static"), 0.6),
        _scored(store, _model(store, "curriculum", "curriculum", **data), 0.6),
    ]
    table = fill(SPECS["table4"], read_scored(store, scores))
    assert table.row("LST static").cells[0][0].value == pytest.approx(0.25)
    assert table.row("LST curriculum").cells[0][0].value == pytest.approx(0.25)
    assert not table.row("Base").cells[0]


def test_sizes_are_told_apart_and_compared_within_a_size(store: Store) -> None:
    small = {"model": {"config": {"layers": 2, "dim": 128}}, "budget": {"steps": 300}}
    scores = [
        _scored(store, _model(store, f"{row}-{size}", row, **changes), share)
        for size, changes in (("small", small), ("large", {}))
        for row, share in (("baseline", 0.5), ("curriculum", 0.7))
    ]
    table = fill(SPECS["fig4"], read_scored(store, scores))
    assert [row.models[0].model.name for row in table.rows] == [
        *("baseline-small", "curriculum-small", "baseline-large", "curriculum-large")
    ]


def test_models_of_other_text_data_are_not_compared(store: Store) -> None:
    models = [_model(store, "base", "baseline"), _model(store, "static", "static")]
    texts = [store.build(Request(kind=_kind("shards"), name=name, config={"x": name}), lambda d: None) for name in "ab"]
    found = [
        read_facts(store, dataclasses.replace(model, parents={"text_shards": text.artifact.as_parent()}))
        for model, text in zip(models, texts, strict=True)
    ]
    assert any("text_shards" in said for said in differences(*found)) and not differences(found[0], found[0])


def _shards(store: Store, name: str, noise_ms: float = 0.0) -> Artifact:
    alignment = store.build(Request(kind=_kind("alignment"), name=name, config={"noise_ms": noise_ms}), lambda d: None)
    request = Request(kind=_kind("shards"), name=name, config={"of": name}, parents={"alignment": alignment.artifact})
    return store.build(request, lambda draft: None).artifact


def test_models_of_other_speech_are_not_compared(store: Store) -> None:
    scores = [
        _scored(store, _model(store, "base", "baseline", shards=_shards(store, "a")), 0.5),
        _scored(store, _model(store, "static", "static", shards=_shards(store, "b")), 0.6),
    ]
    with pytest.raises(UserError, match=r"can't be compared[\s\S]*differ in speech shards"):
        fill(SPECS["table3"], read_scored(store, scores))


def test_models_that_were_fine_tuned_on_other_speech_are_not_compared(store: Store) -> None:
    errors = {"wer": 0.5, "low": 0.4, "high": 0.6, "context_positions": 9}
    scores = [
        _tuned(store, _model(store, row, row), "asr", steps, errors, shards=_shards(store, name))
        for row, name in (("baseline", "a"), ("curriculum", "b"))
        for steps in (50, 100, 200)
    ]
    with pytest.raises(UserError, match=r"can't be compared[\s\S]*shards of the fine-tuning"):
        fill(SPECS["table5"], read_scored(store, scores))


def test_moved_boundaries_are_told_apart_by_the_alignment_behind_the_shards(store: Store) -> None:
    models = [_model(store, f"m{ms}", "aligned", shards=_shards(store, f"noise{ms}", float(ms))) for ms in (0, 20, 40)]
    scores = [_scored(store, model, 0.6) for model in models]
    rows = fill(SPECS["boundary-noise"], read_scored(store, scores)).rows
    assert [row.models[0].model.name for row in rows] == ["m0", "m20", "m40"]
    # Table 3 takes the model of unmoved boundaries only.
    (row,) = (row for row in fill(SPECS["table3"], read_scored(store, scores)).rows if row.models)
    assert [each.model.name for each in row.models] == ["m0"]


@pytest.mark.parametrize("gone", ["shards", "alignment"])
def test_noise_is_not_known_where_the_lineage_is_gone(store: Store, gone: str) -> None:
    model = _model(store, "m", "aligned", shards=_shards(store, "noise20", 20.0))
    scores = [_scored(store, model, 0.6)]
    shutil.rmtree(store.root / gone)
    assert read_facts(store, model).noise_ms is None
    table = fill(SPECS["table3"], read_scored(store, scores))
    assert any("moved before training is not known of model/m/" in remark for remark in table.remarks)
    with pytest.raises(UserError, match="none of the scores"):
        fill(SPECS["boundary-noise"], read_scored(store, scores))


def test_scores_of_other_items_are_refused(store: Store) -> None:
    base, static = (
        _tuned(store, _model(store, row, row), "asr", 50, {"wer": 0.5, "low": 0.4, "high": 0.6, "corpus": corpus})
        for row, corpus in (("baseline", "corpus/a"), ("curriculum", "corpus/b"))
    )
    scored = read_scored(store, [base, static])
    with pytest.raises(UserError, match=r"can't be compared[\s\S]*corpus/a and corpus/b"):
        check_items(SPECS["table5"], scored)


def test_scores_of_items_in_another_voice_are_refused(store: Store) -> None:
    base, static = (
        _tuned(
            store,
            _model(store, row, row),
            "asr",
            50,
            {"wer": 0.5, "low": 0.4, "high": 0.6, "spoken": {"reference": f"corpus/{voice}", "fingerprint": voice}},
        )
        for row, voice in (("baseline", "a"), ("curriculum", "b"))
    )
    with pytest.raises(UserError, match=r"as spoken in corpus/a and in corpus/b"):
        check_items(SPECS["table5"], read_scored(store, [base, static]))


def test_the_only_size_is_not_called_the_smaller_one(store: Store) -> None:
    scores = [_scored(store, _model(store, row, row), 0.5) for row in ("baseline", "curriculum")]
    with pytest.raises(UserError, match=r"told apart by size[\s\S]*1 of them[\s\S]*expected: 2"):
        fill(SPECS["fig4"], read_scored(store, scores))


def _tuned(
    store: Store, base: Artifact, task: str, steps: int, result: dict[str, Any], *, shards: Artifact | None = None
) -> Artifact:
    """Scores of a model that was fine-tuned from another one."""
    config = {"task": task, "budget": {"steps": steps}, "optimizer": {"lr": 0.001}}
    parents = {"model": base} | ({"shards": shards} if shards is not None else {})
    request = Request(kind=MODEL, name=f"{base.name}-{task}-{steps}", config=config, parents=parents)
    timing = {"timing": {"seconds": 0.5 * steps}, "steps": steps}
    model = store.build(request, lambda draft: draft.statistics.update(timing)).artifact
    whole = {
        "task": task,
        "n": 9,
        "n_words": 100,
        "n_characters": 400,
        "speech_tokens": 800,
        "model": entry(base),
        **result,
    }
    part = result.get("corpus", "").replace("/", "-")
    config = {"task": task, "part": part}
    request = Request(kind=SCORES, name=f"{model.name}{part}", config=config, parents={"model": model})
    counts = ("substitutions", "deletions", "insertions", "character_errors")
    items = {"id": ["u"], "words": [100], "characters": [400], **{name: [steps % 7] for name in counts}}
    return store.build(request, lambda draft: write_scores(draft, whole, pa.table(items))).artifact


def _table5_scores(store: Store, tasks: tuple[str, ...] = ("asr", "tts")) -> list[Artifact]:
    """All that Table 5 is made of: baseline and LST, each task after a quarter, half and all of its steps."""
    scores = []
    for row, units in (("baseline", 800), ("curriculum", 200)):
        base = _model(store, row, row)
        for steps, rate in ((50, 0.9), (100, 0.5), (200, 0.2)):
            errors = {"wer": rate, "low": rate - 0.1, "high": rate + 0.1, "context_positions": units}
            scores += [_tuned(store, base, "asr", steps, errors)] if "asr" in tasks else []
        heard = {"character_errors": {"value": 0.3, "low": 0.2, "high": 0.4}, "generation_positions": units}
        scores += [_tuned(store, base, "tts", steps, heard) for steps in (60, 120, 240)] if "tts" in tasks else []
    return scores


@pytest.mark.parametrize("tasks", [("asr", "tts"), ("asr",), ("tts",)], ids="-".join)
def test_table_5_sets_the_baseline_beside_lst_whatever_was_run(store: Store, tmp_path: Path, tasks: Any) -> None:
    names = [f"scores/{scores.name}" for scores in _table5_scores(store, tasks)]
    arguments = [part for name in names for part in ("--scores", name)]
    run(store, "table5", *arguments, "--out", str(tmp_path))
    page = (tmp_path / "table5.md").read_text(encoding="utf-8")
    ours = page[page.index("## Ours") : page.index("## The paper's")]
    asr = ("50.0% (40.0% to 60.0%)", "0.25") if "asr" in tasks else ("", "")
    tts = ("30.0% (20.0% to 40.0%)", "0.25") if "tts" in tasks else ("", "")
    lines = [line for line in ours.splitlines() if "of the steps" in line]
    assert [line.split("|")[1].strip() for line in lines] == [
        f"{model}, {share} of the steps" for share in ("25%", "50%", "100%") for model in ("Base", "LST")
    ]
    assert f"| {' | '.join(('LST, 50% of the steps', *asr, *tts))} |" in lines
    # One seed, though a row has a model for each task; and each task has steps of its own.
    assert "One run for each row" in page and "several seeds" not in page
    read = page[page.index("## What the runs read") :]
    assert read.count("Base, 50% of the steps") == len(tasks)
    assert ("| ASR: Base, 50% of the steps | 1 |" in read) == (len(tasks) == 2)
    assert " | 0.5 | model/baseline-" in read


def test_test_other_has_columns_of_its_own_where_it_was_scored(store: Store) -> None:
    scores = _table5_scores(store)
    plain = fill(SPECS["table5"], read_scored(store, scores))
    assert [column.part for column in plain.spec.columns] == [""] * 4
    bases = [store.find(f"model/{row}", MODEL) for row in ("baseline", "curriculum")]
    result = {"wer": 0.7, "low": 0.6, "high": 0.8, "context_positions": 99, "corpus": "corpus/test-other/1"}
    others = [_tuned(store, base, "asr", 50, result) for base in bases]
    table = fill(SPECS["table5"], read_scored(store, [*scores, *others]))
    assert [column.label for column in table.spec.columns if column.part] == ["ASR, WER, other"]
    quarter, half = (table.row(f"LST, {share} of the steps") for share in ("25%", "50%"))
    assert [cell[0].value for cell in quarter.cells] == [0.9, 0.7, 0.25, 0.3, 0.25]
    assert quarter.line.paper == [0.068, 0.104, 0.25, None, None] and half.cells[1] == ()
    assert (quarter.line.label, 1) in all_gains(store, table)


def test_fine_tuned_models_are_rows_by_their_steps_and_their_base(store: Store) -> None:
    table = fill(SPECS["table5"], read_scored(store, _table5_scores(store)))
    half = table.row("LST, 50% of the steps")
    assert [cell[0].value for cell in half.cells] == [0.5, 0.25, 0.3, 0.25]
    assert table.row("Base, 100% of the steps").cells[0][0].value == 0.2
    gains = all_gains(store, table)
    assert {column for _, column in gains} == {0, 2} and len(gains) == 6


def test_runs_that_differ_in_more_than_the_table_is_about_are_refused(store: Store) -> None:
    scores = [
        _scored(store, _model(store, "base", "baseline"), 0.5),
        _scored(store, _model(store, "static", "static", optimizer={"lr": 0.1}), 0.6),
    ]
    with pytest.raises(UserError, match=r"can't be compared[\s\S]*optimizer"):
        fill(SPECS["table3"], read_scored(store, scores))


def test_two_models_that_could_be_one_row_are_refused(store: Store) -> None:
    scores = [
        _scored(store, _model(store, "a", "static"), 0.5),
        _scored(store, _model(store, "b", "static", optimizer={"lr": 0.1}), 0.6),
    ]
    with pytest.raises(UserError, match=r"two models could be the row 'LST static'[\s\S]*optimizer"):
        fill(SPECS["table3"], read_scored(store, scores))


def test_scores_of_no_row_are_refused(store: Store) -> None:
    score = _scored(store, _model(store, "s", "static", patching={"size": 7}), 0.5)
    with pytest.raises(UserError, match="none of the scores"):
        fill(SPECS["table3"], read_scored(store, [score]))


def test_the_command_writes_markdown_csv_and_svg(store: Store, tmp_path: Path) -> None:
    for row, share in (("baseline", 0.4), ("static", 0.8)):
        _scored(store, _model(store, row, row), share)
    out = tmp_path / "out"
    files = json.loads(run(store, "table6", "--out", str(out), "--json"))["files"]
    assert [Path(file).name for file in files] == ["table6.md", "table6.csv", "table6.svg"]
    page = (out / "table6.md").read_text(encoding="utf-8")
    assert "## Ours" in page and "## The paper's" in page and "| LST static, 6 tokens | 39.4% |" in page
    rows = list(csv.DictReader((out / "table6.csv").read_text(encoding="utf-8").splitlines()))
    static = next(row for row in rows if row["row"] == "static")
    assert static["runs"] == "1" and float(static["paper"]) == 0.405 and 0.6 < float(static["mean"]) <= 1
    svg = (out / "table6.svg").read_text(encoding="utf-8")
    assert svg.startswith("<?xml") and "LST static" in svg
    before = {file: Path(file).read_bytes() for file in files}
    run(store, "table6", "--out", str(out))
    assert before == {file: Path(file).read_bytes() for file in files}


def test_a_single_run_is_compared_item_by_item(store: Store) -> None:
    scores = [_scored(store, _model(store, row, row), share) for row, share in (("baseline", 0.3), ("static", 0.9))]
    table = fill(SPECS["table3"], read_scored(store, scores))
    gains = all_gains(store, table)
    gain = gains["LST static", 0]
    row, base = table.row("LST static"), table.row("Base")
    assert gain.mean == pytest.approx(row.cells[0][0].value - base.cells[0][0].value)
    assert gain.low > 0 and gain.runs == 1


@pytest.mark.parametrize(("table", "said"), [("table11", "table12"), ("table13", "--shards")])
def test_what_can_not_be_made_is_refused_with_what_would_help(store: Store, table: str, said: str) -> None:
    result = CliRunner().invoke(app, ["--root", str(store.root), "report", table])
    assert isinstance(result.exception, UserError) and said in str(result.exception)
