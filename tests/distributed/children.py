from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lst_cli.artifacts import Draft, Request, Store
from lst_cli.distributed.launcher import Rank, sharing_rank
from lst_cli.distributed.shared_work import SharedParts, build_together


class Child:
    """A forked process that runs one rank, with the modules it needs already loaded."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                work()
                code = 0
            finally:
                os._exit(code)

    def running(self) -> bool:
        """Whether it has not ended; does not reap it."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def rank_child(number: int, world: int, work: Callable[[], None]) -> Child:
    """A process that torchrun would have started as this rank."""

    def as_rank() -> None:
        os.environ.update(RANK=str(number), WORLD_SIZE=str(world), LOCAL_RANK=str(number))
        work()

    return Child(as_rank)


def array_child(task: int, tasks: int, work: Callable[[], None], job: str = "7") -> Child:
    """A process that Slurm would have started as a task of an array, without srun."""

    def as_task() -> None:
        values = {"JOB_ID": job, "TASK_ID": task, "TASK_MIN": 0, "TASK_MAX": tasks - 1, "TASK_COUNT": tasks}
        os.environ.update({f"SLURM_ARRAY_{name}": str(value) for name, value in values.items()})
        work()

    return Child(as_task)


def run_ranks(world: int, work: Callable[[], None]) -> None:
    """Have some ranks do the same work together; all must succeed."""
    children = [rank_child(number, world, work) for number in range(world)]
    assert [child.wait() for child in children] == [0] * world


def kill_ranks(root: Path, work: Callable[[], None], moments: Sequence[int]) -> int:
    """Have two ranks do the work, kill one each time that so many parts are finished, and start it again.

    :return: how many were killed; the others had finished by then.
    """
    ranks = [rank_child(number, 2, work) for number in range(2)]
    kills = 0
    for turn, parts in enumerate(moments):
        wait_for_parts(root, parts, ranks[turn % 2])
        if ranks[turn % 2].running():
            ranks[turn % 2].kill()
            kills += 1
        else:
            assert ranks[turn % 2].wait() == 0
        ranks[turn % 2] = rank_child(turn % 2, 2, work)
    assert [rank.wait() for rank in ranks] == [0, 0]
    return kills


def run_array_with_gaps(root: Path, work: Callable[[], None]) -> None:
    """Have an array of four tasks do the work: one is killed, one never starts, two start late."""
    killed = array_child(3, 4, work)
    wait_for_parts(root, 1, killed)
    killed.kill()
    late = [array_child(task, 4, work) for task in (1, 2)]
    assert [task.wait() for task in late] == [0, 0]


def wait_for_parts(root: Path, parts: int, child: Child) -> None:
    """Return when so many parts are finished, or the child has ended."""
    deadline = time.monotonic() + 120
    while child.running() and finished_parts(root) < parts:
        assert time.monotonic() < deadline, f"{finished_parts(root)} of {parts} parts"
        time.sleep(0.0005)


def finished_parts(root: Path) -> int:
    """How many part files are finished below a root."""
    return sum(not path.name.startswith(".") for path in root.glob("*/*/.*.partial/parts/*"))


def build_as_rank(
    root: Path,
    plan: Callable[[Rank], tuple[Request, Callable[[Draft], None]]],
    share: Callable[[SharedParts], None],
) -> None:
    """Build an artifact as the rank that this process is, as a command does."""
    build_together(Store(root), sharing_rank(), plan, share)


def check_ranks(
    folder: Path, work: Callable[[Path], None], reference: str, moments: Sequence[int], kills: int = 1
) -> dict[str, str]:
    """Check that 2 and 4 ranks, 2 that are killed, and an array of which tasks are missing, make the bytes of one.

    :param work: builds the artifact of this reference below a root, as the rank that this process is.
    :param moments: finished parts at which a rank is killed.
    :param kills: how many ranks must have been killed by then.
    :return: the checksum of each file.
    """

    def sums(root: Path) -> dict[str, str]:
        assert not [path for path in root.rglob("*") if path.name.endswith((".partial", ".tmp"))]
        return {file.path: file.sha256 for file in Store(root).find_any(reference).files}

    found = {}
    for world in (1, 2, 4):
        root = folder / f"ranks-{world}"
        run_ranks(world, lambda root=root: work(root))  # type: ignore[misc]
        found[root.name] = sums(root)
    root = folder / "killed"
    assert kill_ranks(root, lambda: work(root), moments) >= kills
    work(root)
    found[root.name] = sums(root)
    root = folder / "array"
    run_array_with_gaps(root, lambda: work(root))
    found[root.name] = sums(root)
    expected = found["ranks-1"]
    assert all(sums == expected for sums in found.values())
    return expected
