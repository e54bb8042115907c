"""TensorBoard and Weights & Biases: what a run tells there, and what is said when it can't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import wandb

from lst_cli.errors import LstError, UserError
from tests.training.runs import pretrain
from tests.training.world import make_world

PROMISED = {
    *("Loss", "loss_speech", "loss_text_with_speech", "loss_text_only", "Accuracy", "speech_bits_per_second"),
    *("Gradient Norm", "positions_per_second", "tokens_per_second", "mfu", "data_wait_share"),
    *("aligned_share", "patch_length"),
}
SHORT = ("budget.steps=10", "run.peak_flops=1e9")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder)
    return folder


def test_tensorboard_has_all_that_is_promised(root: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = pretrain(root, "told", *SHORT)
    (events,) = (root / "runs" / "told" / model.version / "tb" / "train").iterdir()
    read = EventAccumulator(str(events))
    read.Reload()
    assert set(read.Tags()["scalars"]) >= PROMISED
    assert [event.step for event in read.Scalars("mfu")] == [5, 10]


class Page:
    """Stands for a run at Weights & Biases."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.lines: list[tuple[int, dict[str, float]]] = []
        self.finished = 0

    def init(self, **told: Any) -> Page:
        self.told.append(told)
        return self

    def log(self, values: dict[str, float], step: int) -> None:
        if step == 10 and len(self.told) == 1:
            raise LstError("a fault")
        self.lines.append((step, values))

    def finish(self) -> None:
        self.finished += 1


def test_a_run_that_goes_on_has_one_page(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page()
    monkeypatch.setattr(wandb, "init", page.init)
    with pytest.raises(LstError, match="a fault"):
        pretrain(root, "page", *SHORT, "run.wandb=speech")
    model = pretrain(root, "page", *SHORT, "run.wandb=speech")
    assert [told["id"] for told in page.told] == [f"page-{model.version}"] * 2
    assert page.told[0]["project"] == "speech" and page.told[0]["config"]["config"]["optimizer"]["lr"] == 0.003
    assert [step for step, _ in page.lines] == [5, 10]
    assert set(page.lines[-1][1]) >= {f"train/{name}" for name in PROMISED}
    assert page.finished


def test_without_a_key_it_says_what_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**told: Any) -> None:
        raise wandb.errors.UsageError("No API key configured. Use `wandb login` to log in.")

    monkeypatch.setattr(wandb, "init", init)
    with pytest.raises(UserError, match=r"run\.wandb: the run can't be reported") as error:
        pretrain(root, "no-key", *SHORT, "run.wandb=speech")
    assert "No API key" in (error.value.found or "") and "wandb login" in (error.value.fix or "")
