"""``lst report`` on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from tests.reports.making import make_other, run


def test_json_rows(world: Store, page: Path) -> None:
    printed = json.loads(run(world, "--name", "all", "--json"))
    assert Path(printed["page"]).is_file() and printed["report"].startswith("report/all/")
    row = printed["scores"][0]
    assert {"model", "patching", "task", "direction", "n", "accuracy", "low", "high"} <= row.keys()
    assert [row["patching"] for row in printed["scores"][::2]] == ["none", "curriculum", "static"]
    (first, second) = printed["asr"]
    assert (first["model"], first["n_words"], first["wer"]) == ("asr", 100, 0.2) and second["wer"] == 0.4


def test_chosen_scores_keep_their_order(world: Store, tmp_path: Path) -> None:
    chosen = ["--scores", "scores/static-storycloze", "--scores", "scores/baseline-storycloze"]
    printed = json.loads(run(world, *chosen, "--out", str(tmp_path / "a" / "b"), "--json"))
    assert [row["model"] for row in printed["scores"]] == ["static", "static", "baseline", "baseline"]
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {"index.html", "tables.md", "tables.csv"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scores", "model/static"], "the wrong kind of artifact"),
        (["--models", "scores/asr"], "the wrong kind of artifact"),
        (["--alignment", "corpus/real"], "the wrong kind of artifact"),
        (["--scores", "scores/none"], "no such artifact"),
        (["--name", "a/b"], "not a valid artifact name"),
    ],
)
def test_bad_input_is_named(world: Store, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(world, *arguments)


def test_an_empty_root_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    make_other(store, "corpus", "c")
    with pytest.raises(UserError, match="nothing to report on"):
        run(store)


def test_out_must_be_a_folder(world: Store, page: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--out"):
        run(world, "--name", "all", "--out", str(tmp_path / "file"))


def test_a_damaged_artifact_leaves_no_report(tmp_path: Path) -> None:
    from tests.reports.making import make_model

    store = Store(tmp_path)
    model = make_model(store, "m", "static")
    model.file("metrics.jsonl").write_text("{")
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 1"):
        run(store)
    assert not list(tmp_path.glob("report/*/*/artifact.json"))


def test_up_to_date_needs_nothing_heavy(world: Store, page: Path) -> None:
    code = (
        "import sys; sys.argv = ['lst', *sys.argv[1:]]\n"
        "from lst_cli.main import app\n"
        "app(standalone_mode=False)\n"
        "assert not {'torch', 'numpy', 'pyarrow', 'matplotlib', 'jinja2'} & set(sys.modules), 'heavy imports'"
    )
    arguments = ["--root", str(world.root), "report", "--name", "all", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stderr and json.loads(done.stdout)["scores"]
