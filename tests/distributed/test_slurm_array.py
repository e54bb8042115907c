"""The tasks of a Slurm array share work: they start at any time or never, and whoever finds nothing left ends it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.artifacts import lock as locks
from lst_cli.artifacts.lock import exclusive, in_good_hands
from lst_cli.artifacts.parquet import write_bytes_atomic
from lst_cli.distributed.launcher import Rank, sharing_rank, this_rank
from lst_cli.distributed.row_units import WorkUnit
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.errors import UserError
from tests.distributed.children import array_child, build_as_rank, finished_parts, rank_child, wait_for_parts

UNITS = [WorkUnit(number, number + 1) for number in range(12)]
REQUEST = Request(kind=Kind("numbers", 1), name="n", config={}, parents={})


def share(parts: SharedParts) -> None:
    """Write the number of each unit, and who did, after a while."""

    def make(unit: WorkUnit) -> bytes:
        time.sleep(0.02)
        with (parts.folder.parents[3] / "log").open("a") as log:
            log.write(f"{unit.start} {parts.rank.number}\n")
        return str(unit.start).encode()

    SharedWork(UNITS, parts).run(make, write_bytes_atomic, what="count", counted="numbers")


def build(root: Path, slow_end_s: float = 0.0) -> None:
    def plan(rank: Rank) -> tuple[Request, Callable[[Draft], None]]:
        def make(draft: Draft) -> None:
            parts = SharedParts(rank, draft.parts)
            share(parts)
            time.sleep(slow_end_s)
            write_bytes_atomic(draft.path / "all", b" ".join((draft.parts / u.file_name).read_bytes() for u in UNITS))

        return REQUEST, make

    root.mkdir(exist_ok=True)
    build_as_rank(root, plan, share)


def made(root: Path) -> Artifact:
    artifact = Store(root).find_any("numbers/n")
    assert artifact.file("all").read_text() == " ".join(map(str, range(12)))
    assert not [path for path in root.rglob(".*") if path.suffix in (".partial", ".lock", ".tmp")]
    return artifact


def work_done(root: Path) -> list[int]:
    return [int(line.split()[0]) for line in (root / "log").read_text().splitlines()]


def test_a_late_task_finds_the_artifact(tmp_path: Path) -> None:
    assert array_child(2, 4, lambda: build(tmp_path)).wait() == 0
    assert sorted(work_done(tmp_path)) == list(range(12))
    created = made(tmp_path).created
    assert [array_child(task, 4, lambda: build(tmp_path)).wait() for task in (0, 1)] == [0, 0]
    assert len(work_done(tmp_path)) == 12 and made(tmp_path).created == created


def test_the_lock_of_a_helper_that_was_killed_after_the_end_goes_with_the_next_request(tmp_path: Path) -> None:
    assert array_child(0, 2, lambda: build(tmp_path)).wait() == 0
    (version,) = (tmp_path / "numbers" / "n").glob("[!.]*[!t]")
    dead = array_child(1, 2, lambda: None)
    assert dead.wait() == 0
    lock = version.with_name(f".{version.name}.here.{dead.pid}.lock")
    lock.write_text(json.dumps({"host": locks.this_host(), "pid": dead.pid, "since": "now"}))
    assert array_child(0, 1, lambda: build(tmp_path)).wait() == 0
    made(tmp_path)


def test_a_task_that_never_starts_and_a_killed_one_block_nobody(tmp_path: Path) -> None:
    first = array_child(0, 4, lambda: build(tmp_path))
    wait_for_parts(tmp_path, 2, first)
    first.kill()
    others = [array_child(task, 4, lambda: build(tmp_path)) for task in (1, 2)]
    assert [task.wait() for task in others] == [0, 0]
    made(tmp_path)
    done = work_done(tmp_path)
    assert set(done) == set(range(12)) and len(done) < 20


def test_nobody_waits_for_the_task_that_joins_the_parts(tmp_path: Path) -> None:
    ending = array_child(0, 2, lambda: build(tmp_path, slow_end_s=1.5))
    wait_for_parts(tmp_path, 12, ending)
    lock = Store(tmp_path).folder(REQUEST).with_name(f".{REQUEST.version}.lock")
    while not lock.exists():
        time.sleep(0.01)
    assert array_child(1, 2, lambda: build(tmp_path)).wait() == 0
    assert ending.running()
    assert ending.wait() == 0
    made(tmp_path)


def test_an_array_is_submitted_again_after_the_one_that_joined_the_parts_was_killed(tmp_path: Path) -> None:
    ending = array_child(0, 2, lambda: build(tmp_path, slow_end_s=60))
    wait_for_parts(tmp_path, 12, ending)
    ending.kill()
    assert finished_parts(tmp_path) == 12
    again = [array_child(task, 2, lambda: build(tmp_path), job="8") for task in (0, 1)]
    assert [task.wait() for task in again] == [0, 0]
    made(tmp_path)
    assert len(work_done(tmp_path)) == 12


def test_tasks_with_different_work_are_each_the_last(tmp_path: Path) -> None:
    """An array over seeds or corpora makes an artifact in each task."""
    for task in range(3):
        assert array_child(task, 3, lambda root=tmp_path / str(task): build(root)).wait() == 0  # type: ignore[misc]
        made(tmp_path / str(task))


def test_ranks_that_were_started_together_leave_the_end_to_rank_0(tmp_path: Path) -> None:
    assert rank_child(1, 2, lambda: build(tmp_path)).wait() == 0
    assert finished_parts(tmp_path) == 12 and not list(tmp_path.glob("numbers/n/current"))
    assert rank_child(0, 2, lambda: build(tmp_path)).wait() == 0
    made(tmp_path)


def test_old_parts_are_prepared_once_a_run(tmp_path: Path) -> None:
    prepared: list[str] = []

    def prepare(number: int, run: str | None) -> None:
        SharedParts(Rank(number, 4, 0, run), tmp_path / "parts").once_a_run(lambda: prepared.append(f"{number} {run}"))

    for number, run in [(2, "a"), (0, "a"), (1, "b"), (3, "a"), (1, None), (0, None), (0, "b")]:
        prepare(number, run)
    assert prepared == ["2 a", "1 b", "0 None"]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    for name in [*os.environ]:
        if name.startswith(("SLURM_", "LST_R")) or name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
            monkeypatch.delenv(name)

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))

    return change


def array(task: int, first: int = 0, count: int = 4, step: int = 1) -> dict[str, int]:
    values = {"JOB_ID": 77, "TASK_ID": task, "TASK_MIN": first, "TASK_COUNT": count, "TASK_STEP": step}
    return {f"SLURM_ARRAY_{name}": value for name, value in values.items()}


def test_a_task_of_an_array_is_a_rank_of_shared_work_and_trains_alone(environment: Callable[..., None]) -> None:
    environment(**array(3))
    assert sharing_rank() == Rank(3, 4, 0, "77")
    assert this_rank() == Rank(0, 1, 0)
    environment(**array(9, first=5, count=3, step=2))
    assert sharing_rank() == Rank(2, 3, 0, "77")
    environment(**array(1, first=1, count=1))
    assert sharing_rank() == Rank(0, 1, 0)


def test_ranks_inside_a_task_are_numbered_through(environment: Callable[..., None]) -> None:
    environment(**array(2), RANK=1, WORLD_SIZE=8, LOCAL_RANK=1)
    assert sharing_rank() == Rank(17, 32, 1, "77")
    assert this_rank() == Rank(1, 8, 1)


def test_an_array_with_gaps_is_refused(environment: Callable[..., None]) -> None:
    environment(**array(5, first=3, count=2))
    with pytest.raises(UserError, match="in its Slurm array is unclear"):
        sharing_rank()


def test_any_engine_may_say_the_rank(environment: Callable[..., None]) -> None:
    environment(LST_RUN="job-3", LST_RANK=1, LST_RANKS=2, **array(3))
    assert sharing_rank() == Rank(1, 2, 0, "job-3")
    environment(LST_RANK=2)
    with pytest.raises(UserError, match="LST_RANK=2, LST_RANKS=2"):
        sharing_rank()


def test_a_lock_of_another_host_is_in_good_hands_once_its_heart_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".v.lock"
    assert not in_good_hands(path)
    with exclusive(path, "it"):
        assert in_good_hands(path)
    monkeypatch.setattr(locks, "_POLL_S", (0.01, 0.01))
    path.write_text(json.dumps({"host": "elsewhere/1", "pid": 1, "since": "now"}))

    def beat() -> None:
        time.sleep(0.3)
        os.utime(path)

    beats = array_child(0, 1, beat)
    assert in_good_hands(path)
    beats.wait()
    monkeypatch.setattr(locks, "STALE_S", 0.3)
    assert not in_good_hands(path)
