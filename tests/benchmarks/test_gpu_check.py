"""The stages of the GPU check that measure run without a GPU: their scripts at a tiny size, judged as on a GPU."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.benchmarks.test_scripts import BENCHMARKS, last_line, load

Noted = dict[str, bool | None]
SMALL = {
    "train_step": ("--positions", "48", "--sequences", "1", "--steps", "1", "--pieces", "300", "--dtype", "float32"),
    "decode": ("--size", "micro", "--tokens", "8", "--batch", "2"),
    "score": ("--model", "lst_micro", "--pieces", "300", "--items", "1", "--repeats", "1", "--device", "cpu"),
}
"""Options that are added to, and so win over, those of the stage."""


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> ModuleType:
    """The module with the stages that measure; it runs scripts here, and takes this machine for one with a GPU."""
    monkeypatch.setenv("OUT", str(tmp_path))
    monkeypatch.setenv("DEVICE", "cpu")
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS / "gpu"), *sys.path])
    for name in ("report", "speed"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    speed = importlib.import_module("speed")
    monkeypatch.setattr(speed, "CUDA", True)
    monkeypatch.setattr(speed, "VARIANTS", {"micro": ("lst_tiny",)})

    def run(stage: str, name: str, *arguments: str) -> dict[str, Any]:
        module = load(name, monkeypatch)
        monkeypatch.setattr(sys, "argv", [name, *arguments, *SMALL[name]])
        capsys.readouterr()
        module.main()
        found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return found

    monkeypatch.setattr(speed, "_benchmark", run)
    return speed


@pytest.fixture
def noted(tmp_path: Path) -> Callable[[], Noted]:
    """The checks so far, and whether they passed."""

    def read() -> Noted:
        lines = (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()
        verdicts = {"PASS": True, "FAIL": False, "SKIP": None}
        return {each["check"]: verdicts[each["result"]] for each in map(json.loads, lines)}

    return read


def test_every_model_is_judged_by_the_goals(stage: ModuleType, noted: Callable[[], Noted], monkeypatch: Any) -> None:
    monkeypatch.setattr(stage, "FAST", ("lst_tiny",))
    stage.steps()
    checks = noted()
    assert {check for check in checks if "saved" not in check} == {
        *(f"baseline_micro none, equal {equal}" for equal in ("positions", "tokens")),
        *(f"lst_micro {cut}, equal {equal}" for cut in ("static", "aligned") for equal in ("positions", "tokens")),
        "lst_tiny static, equal tokens",
    }
    saved = {check.split(",")[0]: passed for check, passed in checks.items() if "saved" in check}
    assert set(saved) == {"lst_micro static", "lst_micro aligned", "lst_tiny static"}
    # Of a model that need not be faster only the figure is noted; a larger one is not faster than the baseline.
    assert saved["lst_micro static"] is None and saved["lst_tiny static"] is False


def test_a_model_that_fails_costs_its_own_figures_alone(
    stage: ModuleType, noted: Callable[[], Noted], monkeypatch: Any
) -> None:
    row = {"patching": "static", "equal": "tokens", "step_s": 1.0, "mfu": 0.7}
    found = {
        "baseline_micro": {"rows": [{**row, "model": "baseline_micro", "patching": "none", "step_s": 2.0}]},
        "lst_micro": None,
        "lst_tiny": {"rows": [{**row, "model": "lst_tiny"}]},
    }
    monkeypatch.setattr(stage, "_benchmark", lambda stage, name, *arguments: found[arguments[-1]])
    stage.steps()
    assert noted() == {
        "baseline_micro none, equal tokens": True,
        "lst_tiny static, equal tokens": True,
        "lst_tiny static, time saved at equal data": None,
    }


def test_the_rates_scripts_run(stage: ModuleType) -> None:
    stage.rates()


def test_the_tokens_script_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = load("tokenize", monkeypatch)
    small = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64, "conv_dim": (16,) * 7}
    monkeypatch.setattr(module, "CONFIGS", {"base": (2, {**small, "num_hidden_layers": 2})})
    assert last_line(module, monkeypatch, capsys, "--quick")["agreement"] > 0.9


@pytest.mark.parametrize(("agreement", "rate"), [(1.0, 4000.0), (0.5, 100.0)])
def test_tokens_are_judged_by_agreement_and_speed(
    stage: ModuleType, noted: Callable[[], Noted], monkeypatch: Any, agreement: float, rate: float
) -> None:
    figures = {"ours": 1.0, "bfloat16": rate, "agreement": agreement, "bfloat16_agreement": agreement}
    monkeypatch.setattr(stage, "_benchmark", lambda *arguments: figures)
    stage.tokens()
    assert list(noted().values()) == [agreement == 1.0] * 3
