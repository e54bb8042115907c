"""On a GPU each process trains on its own, with the fused optimizer and compiled layers; on a CPU with neither."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lst_cli.errors import UserError
from lst_cli.training.config.train_config import OptimizerSection, RunSection
from lst_cli.training.engine import recipe
from lst_cli.training.engine.device_defaults import adamw, compiles


@pytest.mark.parametrize(("device", "expected"), [("cuda", "cuda:2"), ("auto", "cuda:2"), ("cpu", "cpu")])
def test_each_process_trains_on_its_own_gpu(monkeypatch: pytest.MonkeyPatch, device: str, expected: str) -> None:
    seen: list[Any] = []

    class Started(Exception):
        """Training would begin now."""

    def run(*arguments: Any, **options: Any) -> None:
        raise Started

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for name, value in {"RANK": "6", "WORLD_SIZE": "8", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAIRSEQ2_DEVICE", "unset")
    monkeypatch.setattr(torch.backends, "fp32_precision", "none")
    monkeypatch.setattr(recipe, "run", run)
    monkeypatch.setattr(recipe, "recipe_config", lambda job, device_type: seen.append(device_type))
    config = SimpleNamespace(run=RunSection(device=device), log_every=1)  # type: ignore[arg-type]
    job: Any = SimpleNamespace(config=config, best=None, checkpoints=None, folders=SimpleNamespace(logs=None))
    with pytest.raises(Started):
        recipe.train(job)
    assert os.environ["FAIRSEQ2_DEVICE"] == expected and seen == [expected.split(":")[0]]


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    job: Any = SimpleNamespace(config=SimpleNamespace(run=RunSection(device="cuda")))
    with pytest.raises(UserError, match=r"run\.device cuda"):
        recipe.train(job)


@pytest.mark.parametrize(("device_type", "impl", "compiled"), [("cuda", "fused", True), ("cpu", "auto", False)])
def test_defaults_by_device(device_type: str, impl: str, compiled: bool) -> None:
    assert adamw(OptimizerSection(), device_type).impl == impl
    assert compiles(RunSection(), device_type) == compiled
    assert compiles(RunSection(compile=not compiled), device_type) == (not compiled)
