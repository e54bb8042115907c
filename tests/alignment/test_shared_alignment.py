from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from lst_cli.alignment.align_corpus import RunOptions, plan_run, share_alignment
from lst_cli.alignment.shared_alignment import SharedAlignment
from lst_cli.artifacts import Artifact, Store
from lst_cli.distributed.launcher import Rank
from lst_cli.distributed.shared_work import help_with
from tests.alignment.test_align_corpus import ALONE, options
from tests.distributed.children import Child

UNIT = 10 * 16_000
"""The 50 utterances of the tones make about ten units of this size."""


@pytest.fixture(scope="module")
def work(corpus: Artifact, tokens: Artifact, aligner: Artifact) -> RunOptions:
    return options(corpus, tokens, aligner, unit_samples=UNIT)


def _run(root: Path, work: RunOptions, rank: Rank = ALONE) -> None:
    if rank.number == 0:
        Store(root).build(*plan_run(work, rank))
    else:
        help_with(Store(root), work.request, rank, partial(share_alignment, work))


def _data(root: Path) -> dict[str, bytes]:
    folder = root / "alignment" / "tones" / "current"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "artifact.json"}


def _parts(root: Path) -> int:
    return len(list(root.rglob("parts/rows-*.parquet")))


def _tidy(root: Path) -> bool:
    return not list(root.rglob("*.partial")) and not list(root.rglob("*.tmp"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, work: RunOptions) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("alone")
    _run(root, work)
    assert _tidy(root)
    return _data(root)


@pytest.mark.parametrize("world", [2, 4])
def test_any_number_of_ranks_makes_the_same_bytes(
    tmp_path: Path, work: RunOptions, expected: dict[str, bytes], world: int
) -> None:
    ranks = [Child(lambda number=number: _run(tmp_path, work, Rank(number, world, number))) for number in range(world)]  # type: ignore[misc]
    assert [rank.wait() for rank in ranks] == [0] * world
    assert _data(tmp_path) == expected
    _run(tmp_path, work, Rank(1, world, 1))
    assert _tidy(tmp_path)


def test_a_kill_costs_only_the_open_unit(
    tmp_path: Path, work: RunOptions, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, started = SharedAlignment.rows, []

    def interrupted(self: SharedAlignment, unit: object) -> object:
        started.append(unit)
        if len(started) == 4:
            raise KeyboardInterrupt
        return rows(self, unit)  # type: ignore[arg-type]

    monkeypatch.setattr(SharedAlignment, "rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, work)
    assert _parts(tmp_path) == 3
    _run(tmp_path, work)
    assert len(started) == len(set(started)) + 1 > 8
    assert _data(tmp_path) == expected


def _wait_for_parts(root: Path, parts: int) -> None:
    """Return when so many parts are made, or the artifact is."""
    deadline = time.monotonic() + 60
    while _parts(root) < parts and not list(root.glob("alignment/tones/[!.]*")):
        assert time.monotonic() < deadline, f"{_parts(root)} of {parts} parts"
        time.sleep(0.0005)


def test_two_ranks_under_fire_end_as_if_undisturbed(
    tmp_path: Path, work: RunOptions, expected: dict[str, bytes]
) -> None:
    """SIGKILL of either rank once some parts are made; each killed rank is started again."""
    kills = 0
    for run in range(4):
        root = tmp_path / str(run)
        start = [lambda number=number, root=root: _run(root, work, Rank(number, 2, number)) for number in range(2)]  # type: ignore[misc]
        ranks = [Child(rank) for rank in start]
        for parts in (run % 2, 3, 6, 8 + run):
            _wait_for_parts(root, parts)
            victim = (parts + run) % 2
            if ranks[victim].running():
                ranks[victim].kill()
                kills += 1
            else:
                assert ranks[victim].wait() == 0
            ranks[victim] = Child(start[victim])
        assert [rank.wait() for rank in ranks] == [0, 0]
        _run(root, work)
        assert _data(root) == expected
        assert _tidy(root), [path for path in root.rglob("*") if path.name.endswith((".partial", ".tmp"))]
    assert kills >= 8


def test_a_rank_alone_makes_everything_but_the_artifact(
    tmp_path: Path, work: RunOptions, expected: dict[str, bytes]
) -> None:
    _run(tmp_path, work, Rank(1, 2, 1))
    assert _parts(tmp_path) > 8 and not list(tmp_path.glob("alignment/tones/[!.]*"))
    _run(tmp_path, work, Rank(0, 2, 0))
    assert _data(tmp_path) == expected
