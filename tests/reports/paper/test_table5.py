"""Table 5 from fine-tuned models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lst_cli.artifacts import Store
from lst_cli.model_artifact.card import MODEL
from lst_cli.reports.paper.fill_table import fill
from lst_cli.reports.paper.match_rows import read_scored
from lst_cli.reports.paper.paper_tables import SPECS
from lst_cli.reports.paper.row_gains import all_gains
from tests.reports.making import run
from tests.reports.paper.scored_models import table5_scores, tuned


@pytest.mark.parametrize("tasks", [("asr", "tts"), ("asr",), ("tts",)], ids="-".join)
def test_table_5_sets_the_baseline_beside_lst_whatever_was_run(store: Store, tmp_path: Path, tasks: Any) -> None:
    names = [f"scores/{scores.name}" for scores in table5_scores(store, tasks)]
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
    assert "One run per row" in page and "several seeds" not in page
    read = page[page.index("## Training of the runs") :]
    assert read.count("Base, 50% of the steps") == len(tasks)
    assert ("| ASR: Base, 50% of the steps | 1 |" in read) == (len(tasks) == 2)
    assert " | 0.5 | model/baseline-" in read


def test_test_other_has_columns_of_its_own_where_it_was_scored(store: Store) -> None:
    scores = table5_scores(store)
    plain = fill(SPECS["table5"], read_scored(store, scores))
    assert [column.part for column in plain.spec.columns] == [""] * 4
    bases = [store.find(f"model/{row}", MODEL) for row in ("baseline", "curriculum")]
    result = {"wer": 0.7, "low": 0.6, "high": 0.8, "context_positions": 99, "corpus": "corpus/test-other/1"}
    others = [tuned(store, base, "asr", 50, result) for base in bases]
    table = fill(SPECS["table5"], read_scored(store, [*scores, *others]))
    assert [column.label for column in table.spec.columns if column.part] == ["ASR, WER, other"]
    quarter, half = (table.row(f"LST, {share} of the steps") for share in ("25%", "50%"))
    assert [cell[0].value for cell in quarter.cells] == [0.9, 0.7, 0.25, 0.3, 0.25]
    assert quarter.line.paper == [0.068, 0.104, 0.25, None, None] and half.cells[1] == ()
    assert (quarter.line.label, 1) in all_gains(store, table)


def test_fine_tuned_models_are_rows_by_their_steps_and_their_base(store: Store) -> None:
    table = fill(SPECS["table5"], read_scored(store, table5_scores(store)))
    half = table.row("LST, 50% of the steps")
    assert [cell[0].value for cell in half.cells] == [0.5, 0.25, 0.3, 0.25]
    assert table.row("Base, 100% of the steps").cells[0][0].value == 0.2
    gains = all_gains(store, table)
    assert {column for _, column in gains} == {0, 2} and len(gains) == 6
