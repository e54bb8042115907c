"""Every benchmark has ``--quick``, and its last line is one JSON object."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from lst_cli.model.architectures import architecture

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHARED = {"families"}
"""Modules that scripts import; no scripts."""
GIVEN = {"align_scores", "patch_borders", "warm_start"}
"""Scripts that measure artifacts or weights that they are given; nothing of these is small."""
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem not in SHARED | GIVEN)


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A file of the folder as a module; its folder is on the path, as it is for a script."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the number of threads is set to, without setting it for the tests that follow."""
    found: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", found.append)
    return found


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", [module.__name__, *options])
    module.main()


@pytest.mark.parametrize("name", SCRIPTS)
def test_has_a_quick_run(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(load(name, monkeypatch), monkeypatch, "--help")
    assert ended.value.code == 0
    assert "--quick" in capsys.readouterr().out


def last_line(module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any, *options: str) -> dict[str, Any]:
    run(module, monkeypatch, *options)
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_decode(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = last_line(
        load("decode", monkeypatch), monkeypatch, capsys, "--size", "tiny", "--tokens", "4", "--batch", "2"
    )
    assert found["speech_speedup"] > 0 and found["speech_speedup_batched"] > 0
    assert {(row["task"], row["batch"]) for row in found["rows"]} == {(t, n) for t in ("tts", "asr") for n in (1, 2)}


def test_speak(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = load("speak", monkeypatch)
    monkeypatch.setattr(module, "vocoder_s", lambda seconds: 0.5)
    found = last_line(module, monkeypatch, capsys, "--size", "tiny", "--seconds", "1", "--batch", "2")
    assert found["speedup"] > 0 and found["speedup_batched"] > 0
    assert all(row["total_s"] > 0.5 for row in found["rows"])
    # 25 speech tokens: six whole patches.
    assert found["positions"] == 0.24


def test_speech_bpe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = last_line(load("speech_bpe", monkeypatch), monkeypatch, capsys, "--quick")
    assert [run["utterances"] for run in found["runs"]] == [200] and found["runs"][0]["peak_gb"] > 0


def test_a_quick_run_takes_one_thread_unless_told(threads: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    families = load("families", monkeypatch)
    for options in ([], ["--quick"], ["--quick", "--threads", "3"], ["--threads", "2"]):
        parser = argparse.ArgumentParser()
        families.add_options(parser, batch=4)
        families.set_threads(parser.parse_args(options))
    assert threads == [1, 3, 2]


def test_speedups_are_the_baselines_seconds_over_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    total = {("baseline", 1): 2.0, ("baseline", 4): 1.0, ("lst", 1): 0.5, ("lst", 4): 0.8}
    rows = [{"model": model, "batch": batch, "total_s": value} for (model, batch), value in total.items()]
    found = load("families", monkeypatch).speedups(rows, 4)
    assert found == {"speedup": 4.0, "speedup_batched": 1.25, "real_time_factor": 0.8}


def test_a_shrunk_model_keeps_its_proportions(monkeypatch: pytest.MonkeyPatch) -> None:
    shrunk = load("families", monkeypatch).shrunk
    config = architecture("lst_420m")
    small = shrunk(config, config.layers // 4)
    assert config.local is not None and small.local is not None
    assert (small.layers, small.dim) == (config.layers // 4, config.dim)
    assert small.local.decoder_layers == round(config.local.decoder_layers / 4)
    assert shrunk(architecture("baseline_420m"), 2).local is None


def test_four_digits_of_floats_only(monkeypatch: pytest.MonkeyPatch) -> None:
    rounded = load("families", monkeypatch).rounded
    assert [rounded(value) for value in (0.123456, 123456, "lst", True)] == [0.1235, 123456, "lst", True]
