"""A sample of kills of one of two ranks; ``make faults`` kills ranks of every shared stage at 20 moments."""

from __future__ import annotations

import pytest

from tests.faults.killing import Bench, Tally
from tests.faults.killing_ranks import ENGINES, SMALL_UNITS, kill_ranks
from tests.faults.pipeline import STEPS


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["corpus", "synth", "tokenize", "text"])
def test_a_killed_rank_changes_nothing(name: str, engine: str, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, constant, value in SMALL_UNITS:
        monkeypatch.setattr(module, constant, value)
    tally = Tally()
    operations = kill_ranks(bench, STEPS[name], tally, engine, kills=4)
    assert min(operations) >= 10 and tally.kills >= 3
    assert not tally.wedged and not tally.differing, str(tally)
