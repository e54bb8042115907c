"""Several processes: the same data, the same gradients, and going on with another number of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from lst_cli.artifacts import Artifact, Store
from lst_cli.model_artifact.card import MODEL
from tests.training.runs import arguments, pretrain
from tests.training.world import make_world

CHANGES = ("budget.steps=25", "run.micro_batch_size=1", "run.log_batches=true")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder)
    return folder


@pytest.fixture(scope="module")
def alone(root: Path) -> Artifact:
    return pretrain(root, "alone", *CHANGES)


def stages(root: Path, name: str, plan: str) -> tuple[Artifact, str]:
    """Run in stages, each of its own number of processes."""
    script = [sys.executable, "-m", "tests.training.runs", "stages", plan, *arguments(root, name, *CHANGES)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Store(root).find(f"model/{name}", MODEL), done.stderr


def curve(artifact: Artifact) -> list[dict[str, float]]:
    return [json.loads(line) for line in artifact.file("metrics.jsonl").read_text().splitlines()]


def order(root: Path, artifact: Artifact) -> dict[tuple[int, int], int]:
    """Every sequence of every step, by its number, with the checksum of its tokens."""
    found: dict[tuple[int, int], int] = {}
    for path in sorted((root / "runs" / artifact.name / artifact.version / "batches").glob("rank-*.jsonl")):
        for record in map(json.loads, path.read_text().splitlines()):
            found |= {
                (record["step"], number): checksum
                for number, checksum in zip(record["sequences"], record["crc32"], strict=True)
            }
    assert sorted(found) == [(1 + number // 4, number) for number in range(25 * 4)]
    return found


def check_same(one: Artifact, other: Artifact) -> None:
    for a, b in zip(curve(one), curve(other), strict=True):
        assert {key: b[key] for key in ("step", "tokens", "positions", "speech_tokens")} == {
            key: a[key] for key in ("step", "tokens", "positions", "speech_tokens")
        }
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
        assert a["grad_norm"] == pytest.approx(b["grad_norm"], rel=1e-3)
    weights, others = (load_file(model.file("model.safetensors")) for model in (one, other))
    for name, value in weights.items():
        assert (value - others[name]).abs().max() < 1e-4


def test_the_number_of_processes_may_change_at_any_stop(root: Path, alone: Artifact) -> None:
    model, told = stages(root, "changing", "1:ddp:4,2:ddp:9,2:fsdp:14,4:fsdp:19,1:ddp:")
    assert order(root, model) == order(root, alone)
    assert told.count("training stopped at step") == 1 + 2 + 2 + 4
    assert "resharded the checkpoint for 2 processes" in told
    check_same(alone, model)


def test_gradients_are_those_of_one_process(root: Path, alone: Artifact, tmp_path: Path) -> None:
    """Tensor by tensor, of the same four sequences: in one batch, and in two of one sequence in each process."""
    runs = {"alone": "1:ddp:4", "ddp": "2:ddp:1", "fsdp": "2:fsdp:1"}
    plan = ",".join(f"{run}:{tmp_path / name}.safetensors" for name, run in runs.items())
    command = arguments(root, "gradients", "budget.steps=1", "schedule.warmup_steps=0", "log_every=1")
    script = [sys.executable, "-m", "tests.training.runs", "gradients", plan, *command]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected, *others = [load_file(tmp_path / f"{name}.safetensors") for name in runs]
    assert set(expected) == set(load_file(alone.file("model.safetensors")))
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        assert gradient.abs().max() > 1e-4 * largest, name
        for other in others:
            assert (other[name] - gradient).abs().max() <= 1e-5 * gradient.abs().max() + 1e-7 * largest, name


def test_a_signal_to_one_process_cuts_a_validation_off(root: Path) -> None:
    """The first time after step 10, which no checkpoint was due at; then while it is made up for."""
    valid = ["--valid-shards", "shards/speech"]
    changes = (*CHANGES, "budget.steps=15", "validation.every=10", "validation.sequences=6", "run.checkpoint_every=20")
    script = [sys.executable, "-m", "tests.training.runs", "validation", "fsdp,ddp", *arguments(root, "cut", *changes)]
    done = subprocess.run([*script, *valid], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("training stopped at step 10 of 15") == 4 and "[0]" in done.stdout, done.stderr
    whole = pretrain(root, "uncut", *changes, options=valid)
    for cut, uncut in zip(curve(Store(root).find("model/cut", MODEL)), curve(whole), strict=True):
        assert (cut["step"], cut["split"]) == (uncut["step"], uncut["split"])
        assert cut["loss"] == pytest.approx(uncut["loss"], rel=1e-5)


def test_a_fault_of_the_first_process_ends_the_others(root: Path) -> None:
    """Nobody waits while the model is written: the others have left when training is done."""
    script = [sys.executable, "-m", "tests.training.runs", "fault", *arguments(root, "faulty")]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    failed = 1 << 8
    ends = {"check_room": [failed, failed], "process_batch": [failed, failed], "save_model": [failed, 0]}
    # Gloo writes to the same place from two processes, in pieces of lines.
    lines = re.findall(rf"(?:{'|'.join(ends)}) \[\d+, \d+\]", done.stdout)
    assert lines == [f"{fault} {statuses}" for fault, statuses in ends.items()], done.stderr
    for told in (
        *("a fault before training", "rank 0 failed before the first step"),
        *("a fault in a step", "rank 1 of 2 lost the connection to the others"),
        "a fault at the end",
    ):
        assert told in done.stderr
    assert "Traceback" not in done.stderr
