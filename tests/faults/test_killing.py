"""A killed command works when it is run again, and leaves what an unkilled one leaves.

Here a sample of kills; ``make faults`` kills each command at up to 40 of its file operations.
"""

from __future__ import annotations

import pytest

from tests.faults.killing import Bench, Tally, kill_everywhere
from tests.faults.pipeline import STEPS


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize(
    ("name", "most"),
    [("corpus", 6), ("text-import", 13), ("units", 4), ("tokenize", 4), ("speech", 4), ("rm-version", 6), ("gc", 6)],
)
def test_a_kill_at_a_file_operation_changes_nothing(name: str, most: int, bench: Bench) -> None:
    tally = Tally()
    operations = kill_everywhere(bench, STEPS[name], tally, most=most)
    assert operations >= 6 and tally.kills >= 3
    assert not tally.wedged and not tally.differing, str(tally)
