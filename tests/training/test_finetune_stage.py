"""``lst finetune``: the answer is learnt, the best model is kept, stops leave no trace."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import LstError, UserError
from lst_cli.main import app
from lst_cli.model_artifact.card import MODEL, load_model
from lst_cli.training.engine.early_stopping import Patience
from lst_cli.training.engine.validation_unit import ValidationUnit
from tests.training.runs import BASELINE, pretrain, signal_at, sums
from tests.training.world import make_world

CONFIG = {
    "budget": {"steps": 30},
    "data": {"positions": 96, "global_batch_size": 4, "streams": 2, "held_out": 0.2},
    "optimizer": {"lr": 0.01},
    "schedule": {"warmup_steps": 5},
    "validation": {"every": 10},
    "precision": "float32",
    "log_every": 5,
    "run": {"device": "cpu", "threads": 1, "checkpoint_every": 10},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder)
    pretrain(folder, "lst", "budget.steps=6", "schedule.warmup_steps=2")
    pretrain(folder, "baseline", "budget.steps=6", "schedule.warmup_steps=2", *BASELINE)
    return folder


def finetune(root: Path, task: str, model: str, name: str, *changes: str, shards: str = "shards/speech") -> Artifact:
    path = root / "finetune.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    sets = [part for change in changes for part in ("--set", change)]
    inputs = ["--model", f"model/{model}", "--shards", shards, "--name", name]
    app(["--root", str(root), "finetune", task, str(path), *inputs, *sets], standalone_mode=False)
    return Store(root).find(f"model/{name}", MODEL)


def curve(artifact: Artifact, split: str) -> list[dict[str, float]]:
    lines = map(json.loads, artifact.file("metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["split"] == split]


@pytest.mark.parametrize("task", ["asr", "tts"])
@pytest.mark.parametrize("base", ["lst", "baseline"])
def test_the_answer_is_learnt(root: Path, base: str, task: str) -> None:
    model = finetune(root, task, base, f"{base}-{task}")
    train, valid = curve(model, "train"), curve(model, "valid")
    assert [line["step"] for line in valid] == [10, 20, 30]
    assert all(0 < line["padding_share"] < 1 for line in train)
    assert train[-1]["loss"] < train[0]["loss"] and all(math.isfinite(line["loss"]) for line in valid)
    asked = "loss_text_with_speech" if task == "asr" else "loss_speech"
    assert asked in valid[0] and "loss_text_only" not in valid[0]
    if task == "asr":
        assert "loss_speech" not in valid[0]
    best = min(valid, key=lambda line: line["loss"])
    assert model.statistics["chosen_step"] == best["step"]
    strategy = load_model(model).card.patching.strategy
    assert strategy == ("none" if base == "baseline" else "static")
    assert model.parents["model"].name == base


def test_both_tasks_in_one_run(root: Path) -> None:
    model = finetune(root, "tts,asr", "lst", "both", "data.tts_weight=2")
    assert model.config["task"] == "asr,tts"
    train, valid = curve(model, "train"), curve(model, "valid")
    assert all("loss_speech" in line and "loss_text_with_speech" in line for line in train)
    assert [(line["step"], line["source"]) for line in valid] == [
        (step, task) for step in (10, 20, 30) for task in ("asr", "tts")
    ]
    by_step = {step: sum(line["loss"] for line in valid if line["step"] == step) for step in (10, 20, 30)}
    assert model.statistics["chosen_step"] == min(by_step, key=lambda step: by_step[step])


def test_error_rates_choose_the_model_and_end_the_run(root: Path) -> None:
    # A rate so small that no transcript changes: the first validation stays the best one.
    changes = ("optimizer.lr=1e-7", "validation.metric=wer", "validation.patience=1")
    model = finetune(root, "asr", "lst", "stopped", *changes)
    valid = curve(model, "valid")
    assert [line["step"] for line in valid] == [10, 20]
    assert valid[0]["wer"] == valid[1]["wer"] > 0 and valid[0]["cer"] > 0
    assert (model.statistics["steps"], model.statistics["chosen_step"]) == (20, 10)


def test_mixed_tasks_are_validated_by_their_transcripts(root: Path) -> None:
    model = finetune(root, "asr,tts", "baseline", "validated", "validation.metric=cer")
    validated = {line["step"]: line["cer"] for line in curve(model, "valid") if "cer" in line}
    assert list(validated) == [10, 20, 30]
    assert all(line["source"] == "asr" for line in curve(model, "valid") if "cer" in line)
    assert model.statistics["chosen_step"] == min(validated, key=lambda step: (validated[step], step))


def test_a_run_that_was_killed_after_its_early_stop_is_done(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = ("optimizer.lr=1e-7", "validation.metric=wer", "validation.patience=1", "seed=1")

    def killed(*arguments: object, **options: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="killed"):
        patched.setattr("lst_cli.training.run.session.write_model", killed)
        finetune(root, "asr", "lst", "killed", *changes)
    model = finetune(root, "asr", "lst", "killed", *changes)
    assert model.statistics["steps"] == 20 and len(curve(model, "train")) == 4


def test_a_validation_that_a_stop_cut_off_still_chooses_the_model(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A rate so small that no transcript changes: the first validation stays the best one.
    changes = ("optimizer.lr=1e-7", "validation.metric=wer", "run.micro_batch_size=1", "budget.steps=20")
    whole = finetune(root, "asr", "lst", "whole", *changes)
    with monkeypatch.context() as patch:
        batches = signal_at(patch, ValidationUnit, 2)
        with pytest.raises(LstError, match="stopped at step 10 of 20"):
            finetune(root, "asr", "lst", "cut", *changes)
    assert len(batches) == 2
    model = finetune(root, "asr", "lst", "cut", *changes)
    assert sums(model) == sums(whole)
    assert model.statistics["chosen_step"] == 10


def test_a_score_that_a_kill_kept_from_disk_is_made_up_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = finetune(root, "asr", "lst", "scored", "budget.steps=20")
    assert whole.statistics["chosen_step"] == 20
    with monkeypatch.context() as patch:
        patch.setattr("lst_cli.training.run.session.write_model", lambda *a, **k: pytest.fail("killed"))
        with pytest.raises(BaseException, match="killed"):
            finetune(root, "asr", "lst", "unscored", "budget.steps=20")
    (scores,) = (root / "model" / "unscored").glob(".*.partial/parts/checkpoints/scores")
    (scores / "step_20.txt").write_text("")  # the curve had been written
    assert sums(finetune(root, "asr", "lst", "unscored", "budget.steps=20")) == sums(whole)


def test_what_does_not_go_together_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="unknown tasks"):
        finetune(root, "asr,vc", "lst", "refused")
    with pytest.raises(UserError) as caught:
        finetune(
            root, "tts", "lst", "refused", "validation.metric=wer", "validation.keep=last", "validation.patience=2"
        )
    assert "set it to loss" in str(caught.value) and "validation.keep: best" in str(caught.value)


def test_patience_counts_validations_since_the_best() -> None:
    def lines(*losses: float) -> list[dict[str, object]]:
        return [{"step": step, "split": "valid", "loss": loss} for step, loss in enumerate(losses)]

    patience = Patience(metric="loss", validations=2)
    assert not patience.used_up([]) and not patience.used_up(lines(3.0, 2.0, 2.5))
    assert patience.used_up(lines(3.0, 2.0, 2.5, 2.0)) and not patience.used_up(lines(3.0, 3.1, 2.9))
    # Several validation sets count together; lines of training and other metrics do not.
    both = [*lines(3.0, 2.0, 2.0, 2.0), *({"step": s, "split": "valid", "loss": -s, "source": "b"} for s in range(4))]
    assert not patience.used_up(both)
    assert not Patience(metric="wer", validations=1).used_up(lines(1.0, 2.0))
