"""``lst finetune dpo``: preferences are learnt, stops leave no trace, processes share the pairs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file

from lst_cli.artifacts import Artifact, Request, Store
from lst_cli.config import load_config
from lst_cli.errors import LstError, UserError
from lst_cli.main import app
from lst_cli.model_artifact.card import MODEL, load_model
from lst_cli.training.config.preference_config import PreferenceConfig
from lst_cli.training.examples_stage import ExampleInputs
from lst_cli.training.preference.preference_unit import PreferenceValidationUnit
from lst_cli.training.preference_stage import DPO
from tests.inference.models import (
    UNITS,
    baseline_config,
    latent_config,
    model_artifact,
    quantizer_artifact,
    random_model,
    tokens_artifact,
)
from tests.training.runs import signal_at, sums

CONFIG = {
    "budget": {"steps": 20},
    "data": {"pairs_per_step": 8, "held_out": 0.2},
    "optimizer": {"lr": 0.01},
    "schedule": {"warmup_steps": 2},
    "validation": {"every": 10},
    "precision": "float32",
    "log_every": 5,
    "run": {"device": "cpu", "threads": 1, "checkpoint_every": 10, "tensorboard": False},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world in which speech that counts up is preferred to speech that counts down."""
    folder = tmp_path_factory.mktemp("store")
    store = Store(folder)
    model_artifact(store, "lst", latent_config(), random_model(latent_config()))
    model_artifact(store, "baseline", baseline_config(), random_model(baseline_config()))
    rng = np.random.default_rng(0)
    units, rows = {}, []
    for number in range(60):
        start = int(rng.integers(UNITS))
        units[f"p{number}"] = [(start + k) % UNITS for k in range(int(rng.integers(2, 7)))]
        last = units[f"p{number}"][-1]
        up, down = ([(last + sign * k) % UNITS for k in range(1, 6)] for sign in (1, -1))
        prompt, chosen, rejected = {"utterance": f"p{number}"}, {"units": up}, {"units": down}
        rows.append({"id": str(number), "prompt": prompt, "chosen": chosen, "rejected": rejected})
    tokens_artifact(store, "prompts", units, quantizer_artifact(store))
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "dpo.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


def arguments(root: Path, model: str, name: str, *changes: str) -> list[str]:
    sets = [part for change in changes for part in ("--set", change)]
    inputs = ["--model", f"model/{model}", "--pairs", str(root / "pairs.jsonl"), "--tokens", "tokens/prompts"]
    return ["--root", str(root), "finetune", "dpo", str(root / "dpo.yaml"), *inputs, "--name", name, *sets]


def tune(root: Path, model: str, name: str, *changes: str) -> Artifact:
    app(arguments(root, model, name, *changes), standalone_mode=False)
    return Store(root).find(f"model/{name}", MODEL)


def curve(artifact: Artifact, split: str) -> list[dict[str, float]]:
    lines = map(json.loads, artifact.file("metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["split"] == split]


@pytest.mark.parametrize("base", ["lst", "baseline"])
def test_the_preference_is_learnt(root: Path, base: str) -> None:
    model = tune(root, base, f"{base}-dpo")
    train, valid = curve(model, "train"), curve(model, "valid")
    assert [line["step"] for line in valid] == [10, 20]
    assert train[0]["preference_accuracy"] < train[-1]["preference_accuracy"]
    assert valid[-1]["preference_accuracy"] > 0.9 and valid[-1]["preference_margin"] > 0
    assert valid[-1]["loss"] == valid[-1]["preference_loss"] < np.log(2)
    assert valid[-1]["chosen_reward"] - valid[-1]["rejected_reward"] == pytest.approx(
        valid[-1]["preference_margin"], rel=1e-4
    )
    assert valid[-1]["reference_drift"] > 0
    assert model.config["task"] == "dpo" and "pairs_sha256" in model.config
    assert load_model(model).card.patching.strategy == ("none" if base == "baseline" else "static")


def test_a_first_step_of_no_learning_is_at_the_reference(root: Path) -> None:
    changes = ("optimizer.lr=1e-12", "budget.steps=1", "log_every=1", "validation.every=1", "schedule.warmup_steps=0")
    (record,) = curve(tune(root, "lst", "still", *changes, "run.checkpoint_every=1"), "train")
    assert record["loss"] == pytest.approx(np.log(2), abs=1e-5)
    assert record["reference_drift"] < 1e-5


def test_a_model_keeps_its_other_tasks(root: Path) -> None:
    def task(base: Artifact) -> str:
        inputs = ExampleInputs(model=base, file=root / "pairs.jsonl")
        config = load_config(PreferenceConfig, root / "dpo.yaml", [])
        return str(DPO.request(config, inputs, "x").config["task"])

    store = Store(root)
    lst = store.find("model/lst", MODEL)
    assert task(lst) == "dpo"
    both = store.build(Request(kind=MODEL, name="both", config={"task": "asr,dpo"}), lambda draft: None).artifact
    assert task(both) == "asr,dpo"


def test_a_stop_leaves_no_trace(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = ("run.micro_batch_size=3", "seed=1")
    whole = tune(root, "lst", "whole", *changes)
    with monkeypatch.context() as patch:
        signal_at(patch, PreferenceValidationUnit, 2)
        with pytest.raises(LstError, match="stopped at step 10 of 20"):
            tune(root, "lst", "stopped", *changes)
    assert sums(tune(root, "lst", "stopped", *changes)) == sums(whole)


def test_processes_train_as_one_does(root: Path) -> None:
    alone = tune(root, "lst", "alone", "seed=2")
    command = arguments(root, "lst", "shared", "seed=2")
    script = [sys.executable, "-m", "tests.training.runs", "stages", "2:ddp:10,2:fsdp:", *command]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shared = Store(root).find("model/shared", MODEL)
    for split in ("train", "valid"):
        for one, other in zip(curve(alone, split), curve(shared, split), strict=True):
            for key in ("loss", "preference_accuracy", "preference_margin", "tokens" if split == "train" else "loss"):
                assert one[key] == pytest.approx(other[key], rel=1e-3, abs=1e-4), (split, one["step"], key)
    weights, others = (load_file(model.file("model.safetensors")) for model in (alone, shared))
    assert max(float((value - others[name]).abs().max()) for name, value in weights.items()) < 1e-3


def test_what_does_not_go_together_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="wer is for ASR"):
        tune(root, "lst", "refused", "validation.metric=wer")
    with pytest.raises(UserError, match="too few examples"):
        tune(root, "lst", "refused", "data.max_tokens=4")
    with pytest.raises(UserError, match="finetune dpo needs --pairs"):
        app([*arguments(root, "lst", "refused"), "--shards", "shards/x"], standalone_mode=False)
    asr = ["asr" if part == "dpo" else part for part in arguments(root, "lst", "refused")]
    with pytest.raises(UserError, match="finetune asr needs --shards"):
        app(asr, standalone_mode=False)
