"""``run.keep_every`` and ``lst runs model``: models of what a run was on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import LstError, UserError
from lst_cli.main import app
from lst_cli.model_artifact.card import MODEL, load_model
from lst_cli.reports.paper.model_facts import read_facts
from lst_cli.training.engine.train_unit import SpeechTextUnit
from tests.training.runs import pretrain, sums
from tests.training.world import make_world

KEEP = ("run.keep_every=10", "run.keep_checkpoints=1", "budget.steps=25")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder)
    return folder


@pytest.fixture(scope="module")
def kept(root: Path) -> Artifact:
    return pretrain(root, "kept", *KEEP)


def snapshot(root: Path, step: int, name: str, run: str = "kept") -> Artifact:
    app(["--root", str(root), "runs", "model", run, "--step", str(step), "--name", name], standalone_mode=False)
    return Store(root).find(f"model/{name}", MODEL)


def lines(model: Artifact) -> list[dict[str, Any]]:
    return [json.loads(line) for line in model.file("metrics.jsonl").read_text().splitlines()]


def test_a_step_on_the_way_becomes_a_model(root: Path, kept: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("WORLD_SIZE", "8")
        model = snapshot(root, 10, "ten")
    assert load_model(model).card == load_model(kept).card
    assert lines(model) == lines(kept)[:2]
    assert model.statistics["timing"]["processes"] == kept.statistics["timing"]["processes"] == 1
    assert read_facts(Store(root), model).steps == 10 and read_facts(Store(root), kept).steps == 25
    assert model.statistics["steps"] == 10 and model.statistics["loss"] == lines(kept)[1]["loss"]
    assert sums(model)["model.safetensors"] != sums(kept)["model.safetensors"]
    assert {role: parent.reference for role, parent in model.parents.items()} == {
        role: parent.reference for role, parent in kept.parents.items()
    }
    assert sums(snapshot(root, 10, "again")) == sums(model)


def test_it_is_what_the_run_would_have_been_stopped_there(
    root: Path, kept: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lst_cli.training.run import model_files

    step = SpeechTextUnit.process_batch

    def process_batch(self: Any, batch: Any, bag: Any) -> Any:
        if self._guard.step == 21:
            raise LstError("a fault")
        return step(self, batch, bag)

    with monkeypatch.context() as patch:
        patch.setattr(SpeechTextUnit, "process_batch", process_batch)
        with pytest.raises(LstError, match="a fault"):
            pretrain(root, "faulty", *KEEP)
    with monkeypatch.context() as patch:  # the model can't be written, at first
        patch.setattr(model_files, "save_model", lambda *a, **k: pytest.fail("here"))
        with pytest.raises(BaseException, match="here"):
            pretrain(root, "faulty", *KEEP)
    (logs,) = (root / "runs" / "faulty").iterdir()  # with what a run of this config has left whose model is gone
    (logs / "checkpoints" / "step_20" / "model" / "old").mkdir(parents=True)
    assert sums(pretrain(root, "faulty", *KEEP)) == sums(kept)
    assert sums(snapshot(root, 20, "after-faults", "faulty")) == sums(snapshot(root, 20, "twenty"))


def test_a_step_that_was_not_kept_is_refused(root: Path, kept: Artifact) -> None:
    with pytest.raises(UserError, match="the weights of step 15 were not kept") as error:
        snapshot(root, 15, "fifteen")
    assert error.value.found == "kept: 10, 20"


def test_a_rule_that_does_not_fit_is_refused(root: Path) -> None:
    with pytest.raises(UserError) as error:
        pretrain(root, "misfit", "run.keep_every=7")
    assert "run.keep_every is 7, not a multiple of run.checkpoint_every (5)" in (error.value.found or "")
