"""How fast it is: the benchmarks of this folder, and their figures against the goals of docs/gpu.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from report import CUDA, QUICK, note

ROOT = Path(__file__).parent.parent.parent
MFU_GOAL = 0.60
"""Share of a large matrix product's rate."""
VARIANTS = {"1b": ("lst_1b_k4", "lst_1b_d4", "lst_1b_d2", "lst_1b_bypass", "lst_1b_bypass_d4"), "420m": ()}
"""Sizes that are measured, and the variants of each."""
FAST = ("lst_1b_k4", "lst_1b_bypass", "lst_1b_bypass_d4")
SAVING_GOAL = 0.15
"""Wall time that these save against the baseline at equal data."""
REAL_TIME_GOAL = 3000
"""Seconds of audio tokenized in a second."""


def _benchmark(stage: str, name: str, *arguments: str) -> dict[str, Any] | None:
    """Run a benchmark; the figures of its last line."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    print(done.stderr[-4000:], file=sys.stderr)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        note(stage, f"{name} {' '.join(arguments)}", False, error=last[:300])
        return None
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    note(stage, f"{name} {' '.join(arguments)}", True, **{k: v for k, v in figures.items() if k != "rows"})
    return figures


def steps() -> None:
    """Training steps of the 1b and 420m sizes: MFU, and LST against the baseline at equal data."""
    if not CUDA:
        _steps(("--quick",), None)
        return
    for size, variants in VARIANTS.items():
        common = ("--size", size, "--positions", "4096", "--sequences", "4", "--dtype", "bfloat16")
        baseline_s = _steps((*common, "--only", f"baseline_{size}"), None)
        # A process for each model: what one runs out of memory or time for costs its own figures alone.
        for name in (f"lst_{size}", *variants):
            _steps((*common, "--variants", *variants, "--only", name), baseline_s)


def _steps(arguments: Sequence[str], baseline_s: float | None) -> float | None:
    """Measure some models.

    :param baseline_s: seconds of the baseline's step at equal data; None where it is among the models.
    :returns: the same, None if it is not known.
    """
    found = _benchmark("steps", "train_step", *arguments)
    rows = found["rows"] if found else []
    for row in rows:
        goal = row["mfu"] >= MFU_GOAL if CUDA else None
        note("steps", f"{row['model']} {row['patching']}, equal {row['equal']}", goal, **row)
        if row["equal"] != "tokens":
            continue
        if row["patching"] == "none":
            baseline_s = row["step_s"]
        elif baseline_s is not None:
            saved = 1 - row["step_s"] / baseline_s
            goal = saved >= SAVING_GOAL if CUDA and row["model"] in FAST else None
            note("steps", f"{row['model']} {row['patching']}, time saved at equal data", goal, saved=saved)
    return baseline_s


def rates() -> None:
    """Tokens a second of decoding, and items a second of scoring."""
    quick = ("--quick",) if QUICK or not CUDA else ()
    for size in ("420m", "1b") if CUDA and not QUICK else ("420m",):
        _benchmark("rates", "decode", "--size", size, *quick)
    _benchmark("rates", "score", "--device", "cuda" if CUDA else "cpu", *quick)


def tests() -> None:
    """The project's tests, which pick the GPU where they can."""
    folders = ("tests/model",) if QUICK else ("tests/model", "tests/inference", "tests/training", "tests/units")
    for folder in folders:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "4"},
            check=False,
        )
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        note("tests", folder, done.returncode == 0, last=last)


def tokens() -> None:
    """HuBERT tokens: real-time factor and agreement."""
    sizes = ("--device", "cuda", "--seconds", "7200", "--peer-seconds", "120", "--turns", "2")
    found = _benchmark("tokens", "tokenize", *(sizes if CUDA else ("--quick",)))
    if found and CUDA:
        note("tokens", "float32 agrees with transformers", found["agreement"] > 0.999)
        note("tokens", "bfloat16 agrees with float32", found["bfloat16_agreement"] > 0.97)
        note("tokens", "real-time factor", max(found["ours"], found["bfloat16"]) >= REAL_TIME_GOAL)
