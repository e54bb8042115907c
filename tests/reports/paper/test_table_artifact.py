"""``lst report table6``: the files of a table, and its gains."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.main import app
from lst_cli.reports.paper.fill_table import fill
from lst_cli.reports.paper.match_rows import read_scored
from lst_cli.reports.paper.paper_tables import SPECS
from lst_cli.reports.paper.row_gains import all_gains
from tests.reports.making import run
from tests.reports.paper.scored_models import pretrained, scored


def test_the_command_writes_markdown_csv_and_svg(store: Store, tmp_path: Path) -> None:
    for row, share in (("baseline", 0.4), ("static", 0.8)):
        scored(store, pretrained(store, row, row), share)
    out = tmp_path / "out"
    files = json.loads(run(store, "table6", "--out", str(out), "--json"))["files"]
    assert [Path(file).name for file in files] == ["table6.md", "table6.csv", "table6.svg"]
    page = (out / "table6.md").read_text(encoding="utf-8")
    assert (
        "## Ours" in page
        and "## The paper's" in page
        and "| LST static, 6 tokens | 39.4% | 49.2% | 58.7% | 69.6% | 84.9% | 94.9% |" in page
    )
    rows = list(csv.DictReader((out / "table6.csv").read_text(encoding="utf-8").splitlines()))
    static = next(row for row in rows if row["row"] == "static")
    assert static["runs"] == "1" and float(static["paper"]) == 0.405 and 0.6 < float(static["mean"]) <= 1
    svg = (out / "table6.svg").read_text(encoding="utf-8")
    assert svg.startswith("<?xml") and "LST static" in svg
    before = {file: Path(file).read_bytes() for file in files}
    run(store, "table6", "--out", str(out))
    assert before == {file: Path(file).read_bytes() for file in files}


def test_a_single_run_is_compared_item_by_item(store: Store) -> None:
    scores = [scored(store, pretrained(store, row, row), share) for row, share in (("baseline", 0.3), ("static", 0.9))]
    table = fill(SPECS["table3"], read_scored(store, scores))
    gains = all_gains(store, table)
    gain = gains["LST static", 0]
    row, base = table.row("LST static"), table.row("Base")
    assert gain.mean == pytest.approx(row.cells[0][0].value - base.cells[0][0].value)
    assert gain.low > 0 and gain.runs == 1


@pytest.mark.parametrize(("table", "said"), [("table7", "table12"), ("table13", "--shards")])
def test_what_can_not_be_made_is_refused_with_what_would_help(store: Store, table: str, said: str) -> None:
    result = CliRunner().invoke(app, ["--root", str(store.root), "report", table])
    assert isinstance(result.exception, UserError) and said in str(result.exception)


def _refusal(store: Store, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--root", str(store.root), "report", *arguments])
    assert isinstance(result.exception, UserError) and not list(store.root.glob("report/*/*/artifact.json"))
    return str(result.exception)


def test_scores_of_another_task_make_no_empty_table(store: Store) -> None:
    for row in ("baseline", "static"):
        scored(store, pretrained(store, row, row), 0.5, task="swuggy")
    message = _refusal(store, "table3")
    assert "no score belongs to one of its columns" in message and "make table3" in message
    assert "static-swuggy" in message and "(swuggy s-s t-t)" in message and "hellaswag s-s, hellaswag t-t" in message


def test_scores_of_other_models_make_no_empty_table(store: Store) -> None:
    scored(store, pretrained(store, "seven", "static", patching={"size": 7}), 0.5)
    message = _refusal(store, "table3")
    assert "model/seven/" in message and "models of the rows baseline, bpe, static" in message
