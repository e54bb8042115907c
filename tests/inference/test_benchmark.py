"""The benchmarks of scoring and transcribing run, and print their ratios."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile

from lst_cli.artifacts import Store
from lst_cli.main import app
from tests.inference.reciting import reciting_artifact

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "score.py"


def test_score() -> None:
    options = ["--items", "2", "--repeats", "1", "--threads", "1", "--pieces", "300", "--direction", "s-s"]
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["ratio"] > 0 and result["items_per_s"] > 0
    assert result["largest_difference"] < 1e-3


TRANSCRIBE = Path(__file__).parents[2] / "benchmarks" / "transcribe.py"


def last_line(*options: str) -> dict[str, Any]:
    """What the transcriber's benchmark says, run in this process."""
    spec = importlib.util.spec_from_file_location("benchmark_transcribe", TRANSCRIBE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    printed = io.StringIO()
    # A script's folder comes first on Python's path.
    with (
        mock.patch("sys.path", [str(TRANSCRIBE.parent), *sys.path]),
        mock.patch("sys.argv", ["transcribe.py", *options]),
        redirect_stdout(printed),
    ):
        spec.loader.exec_module(module)
        module.main()
    line: dict[str, Any] = json.loads(printed.getvalue().splitlines()[-1])
    return line


def test_transcribe_with_random_weights() -> None:
    result = last_line("--size", "tiny", "--seconds", "1", "--batch", "2")
    assert result["speedup"] > 0 and result["speedup_batched"] > 0 and result["real_time_factor"] > 0
    positions = {row["model"]: row["context_positions_per_s"] for row in result["rows"]}
    # 25 speech tokens and two markers; seven patches and two markers.
    assert positions == {"baseline": 27, "lst": 9}
    assert all(row["total_s"] >= row["prompt_s"] + row["text_s"] for row in result["rows"])


def test_transcribe_with_fine_tuned_models(tmp_path: Path) -> None:
    reciting_artifact(Store(tmp_path))
    (tmp_path / "in").mkdir()
    for name in "ab":
        wave = np.random.default_rng(0).normal(0, 0.1, 16_000)
        soundfile.write(tmp_path / "in" / f"{name}.wav", wave, 16_000)
    add = ["corpus", "add", str(tmp_path / "in"), "--name", "c", "--no-text"]
    app(["--root", str(tmp_path), *add], standalone_mode=False)
    models = ["--lst", "model/reciting", "--baseline", "model/reciting"]
    result = last_line("--root", str(tmp_path), *models, "--corpus", "corpus/c", "--batch", "2")
    assert [(row["model"], row["batch"]) for row in result["rows"]] == [
        *(("baseline", batch) for batch in (1, 2)),
        *(("lst", batch) for batch in (1, 2)),
    ]
