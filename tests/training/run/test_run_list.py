"""``lst runs``: every state that a run can be in, its settings and curve, and two runs side by side."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lst_cli.artifacts import Store
from lst_cli.errors import LstError, UserError
from lst_cli.main import app
from lst_cli.training.engine.train_unit import SpeechTextUnit
from lst_cli.training.run import run_list as runs_module
from lst_cli.training.run import unfinished
from tests.training.runs import BASELINE, arguments, pretrain
from tests.training.world import make_world


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder)
    pretrain(folder, "lst")
    pretrain(folder, "base", *BASELINE)
    return folder


def asked(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    app(["--root", str(root), "runs", *words, "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def state_of(root: Path, capsys: pytest.CaptureFixture[str], name: str) -> tuple[str, int, int, str]:
    (run,) = [run for run in asked(root, capsys, "ls") if run["name"] == name]
    return run["state"], run["step"], run["steps"], run["why"]


def at_step_7(monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    step = SpeechTextUnit.process_batch

    def process_batch(self: Any, batch: Any, bag: Any) -> Any:
        if self._guard.step == 7:
            action()
        return step(self, batch, bag)

    monkeypatch.setattr(SpeechTextUnit, "process_batch", process_batch)


def test_done(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = [run for run in asked(root, capsys, "ls") if run["name"] == "lst"]
    assert (run["state"], run["step"], run["steps"], run["task"]) == ("done", 20, 20, "pretrain")
    assert run["positions"] == Store(root).find_any("model/lst").statistics["positions"]
    assert run["loss_speech"] > 0 and run["positions_per_second"] > 0


def test_stopped_failed_and_done_after_all(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        at_step_7(patch, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(LstError, match="stopped at step 10"):
            pretrain(root, "long")
    why = "training stopped at step 10 of 20, on request"
    assert state_of(root, capsys, "long") == ("stopped", 10, 20, why)

    def fail() -> None:
        raise RuntimeError("a crash")

    with monkeypatch.context() as patch:
        at_step_7(patch, fail)
        with pytest.raises(RuntimeError):
            pretrain(root, "bad")
    assert state_of(root, capsys, "bad") == ("failed", 5, 20, "RuntimeError: a crash")
    pretrain(root, "bad")
    assert state_of(root, capsys, "bad")[0] == "done"


def test_killed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = (
        "import os, signal, sys; from tests.training.runs import forked; "
        "os.waitpid(forked(sys.argv[1:], {}, 7, signal.SIGKILL), 0)"
    )
    subprocess.run([sys.executable, "-c", script, *arguments(root, "killed")], check=True, capture_output=True)
    assert state_of(root, capsys, "killed") == ("failed", 5, 20, "killed: it left no error message")


def begun(root: Path, name: str, version: str = "abc") -> Path:
    """The working folder of a run without a checkpoint."""
    folder = root / "model" / name / f".{version}.partial"
    (folder / "parts" / "checkpoints").mkdir(parents=True)
    told = {"version": version, "steps": 20, "config": {"budget": {"steps": 20}}, "parents": {}}
    (folder / "parts" / "run.json").write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize("seen", ["last_step", "read_metrics_log", "worker"])
def test_a_run_that_is_removed_while_it_is_listed_is_left_out(
    seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(tmp_path, "stays")
    going = begun(tmp_path, "goes")
    module = unfinished if seen == "last_step" else runs_module
    look = getattr(module, seen)

    def looked(path: Path) -> Any:
        if going in (path, *path.parents):
            shutil.rmtree(going, ignore_errors=True)
        return look(path)

    monkeypatch.setattr(module, seen, looked)
    assert [run["name"] for run in asked(tmp_path, capsys, "ls")] == ["stays"]
    with pytest.raises(UserError, match="goes: no such run"):
        app(["--root", str(tmp_path), "runs", "show", "goes"], standalone_mode=False)


def test_a_run_that_is_done_while_runs_are_listed_is_there_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(root / "model" / "lst", tmp_path / "model" / "lst", symlinks=True)
    model = Store(tmp_path).find_any("model/lst")
    model.path.rename(tmp_path / "hidden")
    going = begun(tmp_path, "lst", model.version)
    working = runs_module.worker

    def removed_first(folder: Path) -> Any:
        (tmp_path / "hidden").rename(model.path)
        shutil.rmtree(going)
        return working(folder)

    monkeypatch.setattr(runs_module, "worker", removed_first)
    assert [(run["name"], run["state"]) for run in asked(tmp_path, capsys, "ls")] == [("lst", "done")]


def test_running(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Any] = []
    at_step_7(monkeypatch, lambda: seen.append(state_of(root, capsys, "now")))
    pretrain(root, "now")
    assert seen[0][0] == "running" and seen[0][1] >= 5


def test_show_draws_the_curve(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = asked(root, capsys, "show", "lst")
    assert shown["settings"]["model.architecture"] == "lst_tiny"
    assert [line["step"] for line in shown["records"] if line["split"] == "train"] == [5, 10, 15, 20]
    app(["--root", str(root), "runs", "show", "lst"], standalone_mode=False)
    said = capsys.readouterr()
    assert "patching.strategy" in said.out and "grad norm" in said.out
    (page,) = (root / "runs" / "lst").glob("*/curves.html")
    text = page.read_text()
    assert text.count('<svg class="panel"') >= 10 and "Over tokens" in text
    assert not re.search(r"""(src|href)=["']https?:""", text)


def test_compare_names_what_differs(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared = asked(root, capsys, "compare", "base", "lst")
    assert compared["differences"]["model.architecture"] == ["baseline_tiny", "lst_tiny"]
    assert "optimizer.lr" not in compared["differences"]
    assert compared["in_common"]["step"] == 20
    page = tmp_path / "two.html"
    words = ["compare", "base", f"model/lst/{compared['b']['version'][:5]}", "--page", str(page)]
    app(["--root", str(root), "runs", *words], standalone_mode=False)
    assert "Settings that differ" in page.read_text() and "patching.strategy" in page.read_text()


def test_runs_of_different_lengths_are_compared_at_a_step_that_both_have(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(root, "shorter", "budget.steps=10")
    compared = asked(root, capsys, "compare", "lst", "shorter")
    curve = asked(root, capsys, "show", "lst")["records"]
    assert (compared["a"]["step"], compared["b"]["step"], compared["in_common"]["step"]) == (20, 10, 10)
    assert compared["in_common"]["figures"]["loss"] == [
        *(line["loss"] for line in curve if line["step"] == 10 and line["split"] == "train"),
        compared["b"]["loss"],
    ]
    app(["--root", str(root), "runs", "compare", "lst", "shorter"], standalone_mode=False)
    assert "at step 10, the last that both metrics logs have" in capsys.readouterr().out
    begun(root, "beginning")
    assert asked(root, capsys, "compare", "lst", "beginning")["in_common"] == {"step": None, "figures": {}}
    app(["--root", str(root), "runs", "compare", "lst", "beginning"], standalone_mode=False)
    assert "no step in common" in capsys.readouterr().err


def test_an_unknown_run_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"nothing: no such run(.|\n)*base"):
        app(["--root", str(root), "runs", "show", "nothing"], standalone_mode=False)


def test_listing_needs_no_torch(root: Path) -> None:
    script = (
        "import sys; from lst_cli.main import app; "
        f"app(['--root', {str(root)!r}, 'runs', 'ls', '--json'], standalone_mode=False); "
        "assert not {'torch', 'matplotlib', 'fairseq2'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_no_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(tmp_path, capsys, "ls") == []
