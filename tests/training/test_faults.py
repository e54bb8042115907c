"""What goes wrong in long runs, and what the user is told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lst_cli.artifacts import Artifact
from lst_cli.errors import LstError, UserError
from lst_cli.training.engine.train_unit import SpeechTextUnit
from lst_cli.training.engine.validation_unit import ValidationUnit
from lst_cli.training.run.checkpoints import steps
from tests.training.runs import pretrain, signal_at, sums
from tests.training.world import make_world


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(root: Path) -> Artifact:
    return pretrain(root, "undisturbed")


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Do something at a step, once."""

    def install(number: int, action: Callable[[], None]) -> None:
        step = SpeechTextUnit.process_batch
        done: list[int] = []

        def process_batch(self: SpeechTextUnit, batch: Any, bag: Any) -> Any:
            if self._guard.step == number and not done:
                done.append(number)
                action()
            return step(self, batch, bag)

        monkeypatch.setattr(SpeechTextUnit, "process_batch", process_batch)

    return install


def crash() -> None:
    raise RuntimeError("crash")


def parts(root: Path, name: str) -> Path:
    (folder,) = (root / "model" / name).glob(".*.partial")
    return folder / "parts"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_stops(
    root: Path, undisturbed: Artifact, at_step: Any, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    at_step(7, lambda: os.kill(os.getpid(), number))
    with pytest.raises(LstError, match="stopped at step 10 of 20") as error:
        pretrain(root, number.name)
    assert error.value.fix == "run the same command again to resume"
    assert f"{number.name} received" in capsys.readouterr().err
    assert sums(pretrain(root, number.name)) == sums(undisturbed)


VALID = ("validation.every=10", "validation.sequences=4", "run.micro_batch_size=1", "run.checkpoint_every=20")


@pytest.fixture(scope="module")
def validated(root: Path) -> Artifact:
    return pretrain(root, "validated", *VALID, options=["--valid-shards", "shards/speech"])


@pytest.mark.parametrize(
    ("batch", "where"), [(2, "at step 10"), (6, "during the validation after step 20")], ids=["on-the-way", "the-last"]
)
def test_a_signal_cuts_a_validation_off(
    root: Path, validated: Artifact, monkeypatch: pytest.MonkeyPatch, batch: int, where: str
) -> None:
    options = ["--valid-shards", "shards/speech"]
    with monkeypatch.context() as patch:
        batches = signal_at(patch, ValidationUnit, batch)
        with pytest.raises(LstError, match=f"stopped {where} of 20"):
            pretrain(root, f"cut-{batch}", *VALID, options=options)
    assert len(batches) == batch
    assert sums(pretrain(root, f"cut-{batch}", *VALID, options=options)) == sums(validated)


def test_a_stop_does_not_wait_for_a_validation(
    root: Path, validated: Artifact, at_step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where one is due, nor while one that was cut off is made up for."""
    options = ["--valid-shards", "shards/speech"]
    at_step(7, lambda: os.kill(os.getpid(), signal.SIGTERM))
    for number in (1, 2):
        with monkeypatch.context() as patch:
            batches = signal_at(patch, ValidationUnit, number)
            with pytest.raises(LstError, match="stopped at step 10 of 20"):
                pretrain(root, "in-a-hurry", *VALID, options=options)
        assert len(batches) == (0 if number == 1 else 2)
    assert sums(pretrain(root, "in-a-hurry", *VALID, options=options)) == sums(validated)


def test_a_damaged_newest_checkpoint_is_set_aside(
    root: Path, undisturbed: Artifact, at_step: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    at_step(13, crash)
    with pytest.raises(RuntimeError):
        pretrain(root, "damaged")
    newest = parts(root, "damaged") / "checkpoints" / "step_10"
    file = next((newest / "optimizer").rglob("*.pt"))
    os.truncate(file, file.stat().st_size // 2)
    model = pretrain(root, "damaged")
    told = capsys.readouterr().err
    assert "the checkpoint of step 10 is damaged (optimizer/" in told and "falling back to the one of step 5" in told
    assert sums(model) == sums(undisturbed)


def test_with_no_whole_checkpoint_it_starts_over(
    root: Path, undisturbed: Artifact, at_step: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    at_step(13, crash)
    with pytest.raises(RuntimeError):
        pretrain(root, "none-whole")
    for folder in (parts(root, "none-whole") / "checkpoints").glob("step_*"):
        next((folder / "model").rglob("*.pt")).unlink()
    model = pretrain(root, "none-whole")
    told = capsys.readouterr().err
    assert told.count("is damaged (no model); falling back to the one of step") == 2 and "of step 0" in told
    assert sums(model) == sums(undisturbed)


def test_a_damaged_shard_stops_the_run_or_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = make_world(tmp_path).find_any("shards/speech").file("shard-00000.parquet")
    data = bytearray(shard.read_bytes())
    data[len(data) // 3] ^= 0xFF
    shard.write_bytes(data)
    with pytest.raises(UserError, match=r"row group \d+: damaged") as error:
        pretrain(tmp_path, "damaged-shard")
    assert "--set run.skip_corrupt=true" in (error.value.fix or "")
    assert pretrain(tmp_path, "damaged-shard", "run.skip_corrupt=true").statistics["steps"] == 20
    assert "skipped" in capsys.readouterr().err


def test_flipped_bits_are_noticed(root: Path, undisturbed: Artifact, at_step: Any) -> None:
    at_step(13, crash)
    with pytest.raises(RuntimeError):
        pretrain(root, "flipped")
    file = next((parts(root, "flipped") / "checkpoints" / "step_10" / "model").rglob("*.pt"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert sums(pretrain(root, "flipped")) == sums(undisturbed)


@pytest.mark.parametrize("step", [8, 10])
def test_a_gradient_that_is_not_finite_stops_the_run(root: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    process = SpeechTextUnit.process_batch

    def process_batch(self: SpeechTextUnit, batch: Any, bag: Any) -> Any:
        total, targets = process(self, batch, bag)
        return (total * torch.nan if self._guard.step == step else total), targets

    monkeypatch.setattr(SpeechTextUnit, "process_batch", process_batch)
    name = f"nan-{step}"
    with pytest.raises(LstError, match=f"the gradient of step {step} is not finite") as error:
        pretrain(root, name)
    first = (step - 1) * 4
    assert f"sequences {list(range(first, first + 4))}" in (error.value.found or "")
    assert "the checkpoint of step 5" in (error.value.fix or "")
    (evidence,) = (root / "runs" / name).glob(f"*/not_finite/step-{step}-rank-0-batch-0.npz")
    assert np.load(evidence)["tokens_T"].size > 0
    assert steps(parts(root, name) / "checkpoints") == [5]


def test_a_disk_without_room_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6, 1000))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="too little disk space for the checkpoints"):
        pretrain(root, "no-room")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param((), "it resumes from step 5", id="checkpoint"),
        pytest.param(("run.checkpoint_every=20",), "it starts over", id="curve-and-logs"),
    ],
)
def test_a_disk_that_gets_full_loses_nothing(
    root: Path, undisturbed: Artifact, tmp_path: Path, changes: tuple[str, ...], told: str
) -> None:
    inside = ["mount -t tmpfs -o size=40m tmpfs $0", 'exec "$@"']
    namespace = ["unshare", "-rm", "sh", "-c", " && ".join(inside), str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("needs a small disk: mounting is not allowed here")
    shutil.copytree(root / "shards", root / "copied" / "shards", dirs_exist_ok=True)
    script = [sys.executable, "-m", "tests.training.runs", "full", str(tmp_path), str(root), *changes]
    done = subprocess.run([*namespace, *script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the disk is full" in done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    model = sums(undisturbed)["model.safetensors"]
    assert model in done.stdout


def test_a_changed_config_is_refused_with_what_differs(root: Path, at_step: Any) -> None:
    at_step(7, crash)
    with pytest.raises(RuntimeError):
        pretrain(root, "changed")
    with pytest.raises(UserError, match="another config is at step 5 of 20") as error:
        pretrain(root, "changed", "optimizer.lr=0.001", "budget.steps=30")
    assert error.value.found == "config.budget.steps: 20 -> 30; config.optimizer.lr: 0.003 -> 0.001"
    shorter = ("budget.steps=2", "schedule.warmup_steps=1")
    assert pretrain(root, "changed", *shorter, options=["--fresh"]).statistics["steps"] == 2
    assert not list((root / "model" / "changed").glob(".*"))
