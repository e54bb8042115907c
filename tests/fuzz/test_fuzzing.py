"""Damaged files are refused or rejected, and are never a bug; ``make fuzz`` tries more of them."""

from __future__ import annotations

import pytest

from tests.fuzz.formats import FORMATS
from tests.fuzz.fuzzing import Fuzzer
from tests.fuzz.mutations import mutate

CASES = 3


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Fuzzer:
    return Fuzzer(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_no_bug(name: str, fuzzer: Fuzzer) -> None:
    assert fuzzer.works(FORMATS[name])
    faults = {seed: fuzzer.damage(FORMATS[name], seed) for seed in range(CASES)}
    assert not {seed: fault for seed, fault in faults.items() if fault is not None}


def test_damage_is_a_function_of_its_seed() -> None:
    data = b"some text\nof two lines\n"
    assert [mutate(data, seed) for seed in range(50)] == [mutate(data, seed) for seed in range(50)]
    assert sum(mutate(data, seed) != data for seed in range(50)) > 45
