from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.distributed.launcher import Rank, this_rank
from lst_cli.distributed.row_units import WorkUnit
from lst_cli.distributed.shared_work import SharedParts, SharedWork, own_first, to_help_with
from lst_cli.errors import UserError
from lst_cli.units.tokenize.work_units import divide


@given(
    st.lists(st.integers(1, 100_000), max_size=60).map(lambda x: np.array(x, dtype=np.int64)), st.integers(1, 300_000)
)
def test_units_cover_the_corpus_once(samples: np.ndarray, unit_samples: int) -> None:
    units = divide(samples, unit_samples)
    assert [row for unit in units for row in range(unit.start, unit.stop)] == list(range(len(samples)))
    assert all(unit.start < unit.stop for unit in units)
    for unit in units:
        # All but the utterance that reaches over the end fit.
        assert samples[unit.start : unit.stop - 1].sum() <= unit_samples


def test_a_million_short_clips_make_units_of_bounded_size() -> None:
    units = divide(np.full(1_000_000, 160))
    assert max(unit.stop - unit.start for unit in units) <= 18_000
    assert len({unit.file_name for unit in units}) == len(units)


@pytest.mark.parametrize(
    ("hours", "least", "most"),
    [(1 / 120, 1, 1), (1 / 3, 16, 24), (10, 50, 70), (1000, 1900, 2100), (20_000, 8000, 8192)],
)
def test_a_unit_is_sized_by_the_corpus(hours: float, least: int, most: int) -> None:
    """20 minutes of audio are enough for many ranks, and a long corpus does not make a part file each half hour."""
    clips = np.full(max(1, int(hours * 3600 / 15)), 15 * 16_000)
    assert least <= len(divide(clips)) <= most


def test_ranks_share_all_units_and_help_from_the_back() -> None:
    units = [WorkUnit(i, i + 1) for i in range(11)]
    ranks = [Rank(number, 3, number) for number in range(3)]
    shares = [own_first(rank, units) for rank in ranks]
    assert sorted((u for share in shares for u in share), key=lambda u: u.start) == units
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert [to_help_with(rank, units[:5]) for rank in ranks] == [[units[4]], [units[3]], [units[2]]]
    assert to_help_with(ranks[2], units[:2]) == [units[1]]
    assert to_help_with(ranks[0], []) == []


def test_a_rank_whose_own_share_is_finished_makes_what_others_left(tmp_path: Path) -> None:
    units = [WorkUnit(i, i + 1) for i in range(6)]
    for unit in units[::2]:
        (tmp_path / unit.file_name).touch()
    work = SharedWork(units, SharedParts(Rank(0, 2, 0), tmp_path))
    assert work.own() == []
    made = []
    for todo in work.rounds(work.own()):
        for unit in todo:
            (tmp_path / unit.file_name).touch()
            made.append(unit)
    assert sorted(made, key=lambda unit: unit.start) == units[1::2]


def test_the_launcher_says_the_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)
    assert this_rank() == Rank(0, 1, 0)
    monkeypatch.setenv("SLURM_NTASKS", "4")  # an allocation, but not inside srun
    assert this_rank() == Rank(0, 1, 0)
    monkeypatch.setenv("SLURM_PROCID", "3")
    monkeypatch.setenv("SLURM_LOCALID", "1")
    assert this_rank() == Rank(3, 4, 1)
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert this_rank() == Rank(1, 2, 1)
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(UserError, match="RANK=2"):
        this_rank()
