"""Speech that several ranks generate and score gives the result of one process alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lst_cli.artifacts import Store
from lst_cli.evaluation.scores import read_scores
from lst_cli.evaluation.speech import speech_evaluation
from tests.distributed.children import kill_ranks, run_ranks
from tests.evaluation.speech.test_tts import root, run

TIMES = {"generating_s", "vocoder_s", "real_time_factor", "vocoder_real_time_factor"}

__all__ = ["root"]


def command(root: Path, task: str) -> list[str]:
    what = {
        "tts": ["model/reciting", "--vocoder", "vocoder/v", "--temperature", "1", "--by", "sentence"],
        "vocoder": ["vocoder/v", "--tokens", "tokens/held"],
    }[task]
    return [task, *what, "--corpus", "corpus/held", "--evaluator", str(root.parent / "whisper"), "--name", "made"]


def result(root: Path, task: str) -> dict[str, Any]:
    """Everything but how long it took, and the bytes of all other files."""
    store = Store(root)
    original = store.find_any("transcripts/held-original")
    made = store.find_any("scores/made" if task == "tts" else "transcripts/made")
    told = {key: value for key, value in read_scores(made).items() if key not in TIMES}
    sums = {file.path: file.sha256 for file in made.files if file.path != "scores.json"}
    return {"told": json.dumps(told), **sums, "original": [file.sha256 for file in original.files]}


@pytest.mark.parametrize("task", ["tts", "vocoder"])
def test_ranks_and_killed_ranks_make_the_same_bytes(root: Path, monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    monkeypatch.setattr(speech_evaluation, "_LEAST_CLIPS", 1)
    made = command(root, task)
    found = []
    for world in (1, 2, 4):
        for kind in ("scores", "transcripts"):
            for path in root.glob(f"{kind}/*"):
                path.rename(root.parent / f"{kind}-{path.name}-before-{world}")
        run_ranks(world, lambda: run(root, *made) and None)
        found.append(result(root, task))
    assert found[1] == found[0]
    assert found[2] == found[0]
    for path in [*root.glob("scores/*"), *root.glob("transcripts/*")]:
        path.rename(root.parent / f"{path.name}-before")
    assert kill_ranks(root, lambda: run(root, *made) and None, (0, 1, 2, 2)) >= 2
    assert result(root, task) == found[0]
