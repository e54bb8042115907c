"""Others wait for the first process longer than a meeting may take."""

from __future__ import annotations

from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lst_cli.distributed import first_rank as waiting
from lst_cli.distributed.first_rank import first_alone
from lst_cli.errors import LstError, UserError


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> SimpleQueue[int]:
    """What the first of two processes says at each meeting; the other one hears it later."""
    queue: SimpleQueue[int] = SimpleQueue()

    def all_sum(gang: Any, value: int) -> torch.Tensor:
        if gang.rank == 0:
            queue.put(value)
        return torch.tensor(value if gang.rank == 0 else queue.get(timeout=60))

    monkeypatch.setattr(waiting, "all_sum", all_sum)
    monkeypatch.setattr(waiting, "_MEET_EVERY_S", 0.001)
    return queue


def gang(rank: int) -> Any:
    return SimpleNamespace(rank=rank, size=2)


def test_they_meet_until_it_is_done(
    told: SimpleQueue[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        while told.qsize() < 5:
            pass

    monkeypatch.setattr(waiting, "_SAID_AFTER_S", 0)
    first_alone(gang(0), work, "rewrites a checkpoint")
    assert told.qsize() > 5 and not capsys.readouterr().err
    first_alone(gang(1), lambda: pytest.fail("only the first one works"), "rewrites a checkpoint")
    assert told.empty()
    assert capsys.readouterr().err == "1 ranks wait for rank 0, which rewrites a checkpoint\n"


def test_they_end_when_it_fails(told: SimpleQueue[int]) -> None:
    def work() -> None:
        raise UserError("no room")

    with pytest.raises(UserError, match="no room"):
        first_alone(gang(0), work, "works")
    with pytest.raises(LstError, match="rank 0 failed before the first step"):
        first_alone(gang(1), work, "works")
    assert told.empty()
