from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lst_cli.artifacts import Draft, Request, Store
from lst_cli.distributed.launcher import Rank, this_rank
from lst_cli.distributed.shared_work import SharedParts, help_with


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
        deadline = time.monotonic() + 120
        while ranks[turn % 2].running() and _parts(root) < parts:
            assert time.monotonic() < deadline, f"{_parts(root)} of {parts} parts"
            time.sleep(0.0005)
        if ranks[turn % 2].running():
            ranks[turn % 2].kill()
            kills += 1
        else:
            assert ranks[turn % 2].wait() == 0
        ranks[turn % 2] = rank_child(turn % 2, 2, work)
    assert [rank.wait() for rank in ranks] == [0, 0]
    return kills


def _parts(root: Path) -> int:
    return sum(not path.name.startswith(".") for path in root.glob("*/*/.*.partial/parts/*"))


def build_as_rank(
    root: Path,
    plan: Callable[[Rank], tuple[Request, Callable[[Draft], None]]],
    share: Callable[[SharedParts], None],
) -> None:
    """Build an artifact as the rank that this process is, as a command does."""
    rank = this_rank()
    request, make = plan(rank)
    if rank.number:
        help_with(Store(root), request, rank, share)
    else:
        Store(root).build(request, make)


def check_ranks(
    folder: Path, work: Callable[[Path], None], reference: str, moments: Sequence[int], kills: int = 1
) -> dict[str, str]:
    """Check that 2 and 4 ranks, and 2 that are killed, make the bytes of one.

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
    expected = found["ranks-1"]
    assert all(sums == expected for sums in found.values())
    return expected
