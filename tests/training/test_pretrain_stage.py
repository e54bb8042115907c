"""``lst pretrain``: the artifact, and the same one after any number of kills."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lst_cli.artifacts import Artifact, Store
from lst_cli.hashing import uniform
from lst_cli.model_artifact.card import MODEL
from tests.training.runs import BASELINE, MOMENTS, arguments, pretrain, sums
from tests.training.world import make_world


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(root: Path) -> Artifact:
    return pretrain(root, "undisturbed")


def lines(artifact: Artifact) -> list[dict[str, Any]]:
    return [json.loads(line) for line in artifact.file("metrics.jsonl").read_text().splitlines()]


def test_a_model_is_whole_and_has_learnt(undisturbed: Artifact) -> None:
    from lst_cli.model_artifact.card import load_model

    assert load_model(undisturbed).card.patching.strategy == "curriculum"
    curve = lines(undisturbed)
    assert [line["step"] for line in curve] == [5, 10, 15, 20]
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert [line["aligned_share"] for line in curve][::3] == [1.0, 0.0]
    assert undisturbed.statistics["steps"] == 20


def test_the_reader_has_stopped_when_the_model_is_made(undisturbed: Artifact) -> None:
    """A thread that still read ahead when Python ended once aborted a run whose model was made."""
    assert undisturbed.statistics["steps"] == 20
    assert "lst-reader" not in {thread.name for thread in threading.enumerate()}


def test_a_baseline_differs_by_its_architecture_only(root: Path) -> None:
    model = pretrain(root, "baseline", *BASELINE)
    assert model.config["patching"]["strategy"] == "none"
    assert lines(model)[-1]["tokens"] == lines(model)[-1]["positions"]


def test_the_curve_tells_padding_waiting_and_mfu(root: Path) -> None:
    model = pretrain(root, "told", "budget.steps=10", "run.peak_flops=1e9")
    timed = root / "runs" / "told" / model.version / "metrics.jsonl"
    for line in [json.loads(text) for text in timed.read_text().splitlines()]:
        assert line["padding_share"] == 0
        assert 0 <= line["data_wait_share"] < 1
        assert line["mfu"] == pytest.approx(line["flops_per_second"] / 1e9)
    assert not {"mfu", "data_wait_share"} & set(lines(model)[-1])


def test_validation_has_a_line_for_each_modality(root: Path, undisturbed: Artifact) -> None:
    options = ["--valid-shards", "shards/speech", "--valid-shards", "shards/text"]
    model = pretrain(root, "valid", "validation.every=10", "validation.sequences=5", options=options)
    valid = [(line["step"], line["source"]) for line in lines(model) if line["split"] == "valid"]
    assert valid == [(10, "speech"), (10, "text"), (20, "speech"), (20, "text")]
    train = [line for line in lines(model) if line["split"] == "train"]
    assert train == lines(undisturbed)
    assert sums(model)["model.safetensors"] == sums(undisturbed)["model.safetensors"]


def test_interrupted_and_resumed_is_the_same(
    root: Path, undisturbed: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lst_cli.training.engine.train_unit import SpeechTextUnit

    step = SpeechTextUnit.process_batch
    seen: list[int] = []

    def fail_at_13(self, batch, bag):  # type: ignore[no-untyped-def]
        seen.append(batch.sequences[0] // 4)
        if seen[-1] == 12 and seen.count(12) == 1:
            raise RuntimeError
        return step(self, batch, bag)

    monkeypatch.setattr(SpeechTextUnit, "process_batch", fail_at_13)
    with pytest.raises(RuntimeError):
        pretrain(root, "interrupted")
    model = pretrain(root, "interrupted")
    assert seen == [*range(13), *range(10, 20)]
    assert sums(model) == sums(undisturbed)


def killed(how: str, moments: Iterable[object], command: list[str]) -> None:
    """Run a command that is killed at each of these moments, until it ends."""
    script = [sys.executable, "-m", "tests.training.runs", how, ",".join(map(str, moments)), *command]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    *killed, last = [int(line) for line in done.stdout.split()]
    assert set(killed) == {signal.SIGKILL} and last == 0, (killed, last, done.stderr)


def test_sixty_steps_killed_at_ten_moments_are_the_same(root: Path) -> None:
    long = ("budget.steps=60", "run.checkpoint_every=10")
    killed("kill", sorted(1 + int(60 * float(uniform(0, n))) for n in range(10)), arguments(root, "killed", *long))
    model = Store(root).find("model/killed", MODEL)
    assert sums(model) == sums(pretrain(root, "sixty", *long))
    assert not list((root / "model" / "killed").glob(".*"))


def test_killed_while_it_writes_or_validates_is_the_same(root: Path) -> None:
    options = ["--valid-shards", "shards/speech"]
    every = ("validation.every=10", "validation.sequences=4")
    killed("kill-in", MOMENTS, [*arguments(root, "killed-in", *every), *options])
    model = Store(root).find("model/killed-in", MODEL)
    assert sums(model) == sums(pretrain(root, "whole", *every, options=options))
    assert not list((root / "model" / "killed-in").glob(".*"))


def test_the_last_validation_is_made_up_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lst_cli.training.run import model_files

    options = ["--valid-shards", "shards/speech", "--valid-shards", "shards/text"]
    every = ("validation.every=10", "validation.sequences=4")
    whole = pretrain(root, "both", *every, options=options)
    with monkeypatch.context() as patch:
        patch.setattr(model_files, "save_model", lambda *a, **k: pytest.fail("here"))
        with pytest.raises(BaseException, match="here"):
            pretrain(root, "cut-off", *every, options=options)
    (curve,) = (root / "model" / "cut-off").glob(".*.partial/parts/curve.jsonl")
    written = curve.read_text().splitlines(keepends=True)
    curve.write_text("".join(written[:-1]))  # one of two sources is there
    assert sums(pretrain(root, "cut-off", *every, options=options)) == sums(whole)
