"""Continued pretraining: a run begins with a model of lst; modules may be frozen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.main import app
from tests.training.runs import pretrain
from tests.training.world import make_world

SMALL = ("schedule.warmup_steps=0", "budget.steps=5")
STILL = ("optimizer.lr=1e-12", "optimizer.weight_decay=0.0")


def test_a_run_begins_with_a_model_or_its_export(tmp_path: Path) -> None:
    make_world(tmp_path)
    first = pretrain(tmp_path, "first", *SMALL)
    wanted = load_file(first.file("model.safetensors"))
    app(["--root", str(tmp_path), "export", "model/first", str(tmp_path / "out")], standalone_mode=False)
    for name, init in (("next", "model/first"), ("exported", str(tmp_path / "out"))):
        again = pretrain(tmp_path, name, *SMALL, *STILL, "model.overrides={}", options=["--init", init])
        for key, value in load_file(again.file("model.safetensors")).items():
            torch.testing.assert_close(value, wanted[key], atol=1e-6, rtol=0)
        assert ("init" in again.parents) == (name == "next")
    with pytest.raises(UserError, match="layers: 3") as error:
        pretrain(tmp_path, "deeper", *SMALL, "model.overrides={layers: 3}", options=["--init", "model/first"])
    assert "remove these keys" in (error.value.fix or "")
    with pytest.raises(UserError, match="of the family baseline"):
        changes = (*SMALL, "model.architecture=baseline_tiny", "model.overrides={}")
        pretrain(tmp_path, "other", *changes, options=["--init", "model/first"])
    weights = tmp_path / "out" / "model.safetensors"
    save_file({**wanted, "norm.weight": wanted["norm.weight"] * float("nan")}, weights)
    with pytest.raises(UserError, match=r"1 tensors do not fit(.|\n)*norm\.weight"):
        pretrain(tmp_path, "nan", *SMALL, "model.overrides={}", options=["--init", str(tmp_path / "out")])


def test_frozen_modules_stay(tmp_path: Path) -> None:
    store: Store = make_world(tmp_path)
    assert store.root == tmp_path
    first = load_file(pretrain(tmp_path, "first", *SMALL).file("model.safetensors"))
    scales = "optimizer.lr_scale={global_transformer: 0, embedding: 0.001}"
    tuned = pretrain(tmp_path, "tuned", *SMALL, scales, "model.overrides={}", options=["--init", "model/first"])
    weights = load_file(tuned.file("model.safetensors"))
    moved = {name: float((value - first[name]).abs().max()) for name, value in weights.items()}
    assert all(change == 0 for name, change in moved.items() if name.startswith("global_transformer."))
    assert 0 < moved["embedding.weight"] < 1e-4 < moved["head.weight"]
