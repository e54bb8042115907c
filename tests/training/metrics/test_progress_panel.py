"""What a user sees of a run on a terminal, and where there is none."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from lst_cli import console
from lst_cli.training.metrics.progress_panel import ProgressDisplay

TRAIN: dict[str, Any] = {
    "step": 100,
    "split": "train",
    "loss": 4.0,
    "accuracy": 0.25,
    "loss_speech": 5.0,
    "accuracy_speech": 0.125,
    "loss_text_with_speech": 3.0,
    "accuracy_text_with_speech": 0.5,
    "loss_text_only": 2.0,
    "accuracy_text_only": 0.6,
    "speech_bits_per_second": 180.33,
    "patch_length": 3.21,
    "aligned_probability": 0.75,
    "grad_norm": 1.5,
    "lr": 0.0004,
    "positions_per_second": 51000.0,
    "tokens_per_second": 63240.0,
    "mfu": 0.481,
    "data_wait_share": 0.004,
}
VALID: list[dict[str, Any]] = [
    {"step": 100, "split": "valid", "source": "speech", "loss": 4.5},
    {"step": 100, "split": "valid", "source": "storycloze-s-s", "story_accuracy": 0.625, "stories": 200},
]


def seen(*lines: dict[str, Any]) -> str:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with ProgressDisplay("pretrain lst_tiny", 1200, console=terminal) as show:
        for line in lines:
            show(line)
    assert isinstance(terminal.file, io.StringIO)
    return terminal.file.getvalue()


def test_the_panel_tells_everything() -> None:
    told = seen(TRAIN, *VALID)
    for figure in (
        *("pretrain lst_tiny", "step 100 of 1,200", "speech tokens", "5.0000", "12.5%", "text after speech", "50.0%"),
        *("text only", "60.0%", "all", "4.0000", "25.0%", "bits/s of speech", "180.3", "patch length", "3.21"),
        *("75% aligned", "gradient norm", "0.0004", "positions/s", "51,000", "tokens/s", "63,240"),
        *("MFU", "48.1%", "waiting for data", "0.4%", "loss 4.5", "storycloze-s-s", "accuracy 62.5%"),
    ):
        assert figure in told, figure


def test_the_panel_begins_before_the_first_line_and_tells_what_is_left() -> None:
    assert "starting" in seen()
    assert " left" not in seen(TRAIN) and " left" in seen(TRAIN, {**TRAIN, "step": 110})


def test_messages_stand_above_the_panel(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with ProgressDisplay("pretrain", 10, console=terminal) as show:
        show(TRAIN)
        console.say("SIGTERM received")
    assert isinstance(terminal.file, io.StringIO)
    assert "SIGTERM received\n" in terminal.file.getvalue()
    assert not capsys.readouterr().err


def test_without_a_terminal_lines_come_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(console.time, "monotonic", lambda: float(next(clock)))
    with ProgressDisplay("pretrain", 1200, begun=90) as show:
        show(TRAIN)
        show(VALID[1])
    first, second = capsys.readouterr().err.splitlines()
    # What an earlier start has done is no part of the rate.
    assert first == "pretrain: 100/1,200 steps (0.5/s) loss=4 accuracy=0.25 tokens_per_second=6.324e+04"
    assert second.endswith("storycloze-s-s=accuracy_62.5%")
