"""The rank of this process, and what its launcher says about the others. Imports nothing heavy.

torchrun and Slurm's srun start ranks together: they end together, and can communicate. The tasks of a Slurm array or
of Ray start and end independently. They can share work units (:mod:`lst_cli.distributed.shared_work`), but not train.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass

from lst_cli.errors import LstError, UserError


@dataclass(frozen=True)
class Rank:
    """A process among those that share the work."""

    number: int
    world: int
    local: int
    """Its number on its machine, which selects its GPU."""
    run: str | None = None
    """The name of the run, common to ranks that start and end independently; None for those started together."""


ALONE = Rank(0, 1, 0)
"""The rank of a single process."""


TOGETHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
"""Environment variables of ranks that torchrun, or srun, has started together."""


def this_rank() -> Rank:
    """The rank of this process among those that ``torchrun`` or ``srun`` started together; :data:`ALONE` otherwise.

    :raises UserError: the launcher's environment variables are inconsistent.
    """
    for names in (TOGETHER[:3], TOGETHER[3:]):
        # Inside an allocation but outside srun there is no SLURM_PROCID: then this process is alone.
        if all(name in os.environ for name in names):
            values = [os.environ[name] for name in names]
            try:
                number, world, local = map(int, values)
            except ValueError:
                number, world, local = 0, 0, 0
            if not 0 <= number < world:
                raise UserError(
                    "the rank of this process is invalid",
                    found=", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True)),
                    expected="whole numbers, the rank from 0 to below the number of processes",
                    fix="start it with torchrun or srun, or unset these variables",
                )
            return Rank(number, world, local)
    return ALONE


RUN, NUMBER, RANKS = "LST_RUN", "LST_RANK", "LST_RANKS"
"""Environment variables of a rank that starts and ends independently: the run's name, the rank, the number of ranks."""


def sharing_rank() -> Rank:
    """The rank of this process among those that share work units.

    Ranks of :func:`this_rank` share work. So do the processes of all tasks of a Slurm array, or of another engine that
    sets :data:`RUN`, :data:`NUMBER` and :data:`RANKS`.

    :raises UserError: the launcher's environment variables are inconsistent, or the array has gaps.
    """
    inner, found = this_rank(), _of_engine() or _of_array()
    if found is None or found[2] * inner.world == 1:
        return inner
    run, number, world = found
    return Rank(number * inner.world + inner.number, world * inner.world, inner.local, run)


def _of_engine() -> tuple[str, int, int] | None:
    """The run, the rank and the number of ranks that an engine has set."""
    if RUN not in os.environ:
        return None
    values = [os.environ.get(name, "") for name in (NUMBER, RANKS)]
    if not all(value.isdecimal() for value in values) or not int(values[0]) < int(values[1]):
        raise UserError(
            f"{RUN} is set, but {NUMBER} and {RANKS} do not name a rank",
            found=f"{NUMBER}={values[0]}, {RANKS}={values[1]}",
            expected="whole numbers, the rank from 0 to below the number of ranks",
        )
    return os.environ[RUN], int(values[0]), int(values[1])


def _of_array() -> tuple[str, int, int] | None:
    """The Slurm array that this process belongs to, its index in it, and the number of tasks."""
    names = ["SLURM_ARRAY_JOB_ID", *(f"SLURM_ARRAY_TASK_{part}" for part in ("ID", "MIN", "COUNT"))]
    if not all(name in os.environ for name in names):
        return None
    job, *values = (os.environ[name] for name in names)
    step = os.environ.get("SLURM_ARRAY_TASK_STEP") or "1"
    try:
        task, first, count, step_by = map(int, (*values, step))
        number, between = divmod(task - first, step_by)
    except (ValueError, ZeroDivisionError):
        number, between, count = 0, 0, 0
    if between or not 0 <= number < count:
        raise UserError(
            "the place of this process in its Slurm array is unclear",
            found=", ".join(f"{name}={os.environ[name]}" for name in names),
            expected="an array without gaps, such as --array=0-7",
            fix="submit a whole array: its tasks take whatever work is left, so it need not name those that failed",
        )
    return job, number, count


def rank() -> int:
    """Number of this process; 0 makes the artifact.

    :raises UserError: the launcher's environment variables are inconsistent.
    """
    return this_rank().number


def world_size() -> int:
    """Number of processes.

    :raises UserError: the launcher's environment variables are inconsistent.
    """
    return this_rank().world


class LostConnection(LstError):
    """The connection to other ranks broke: one of them has failed, and reports why."""


_RANK_0_FIRST_S = 5.0
"""A failing rank gives rank 0 this long to report the same error, whereupon the launcher ends all others."""


def wait_for_rank_0(error: BaseException) -> None:
    """Called before a rank prints its error: waits for ranks that can report more.

    Most errors occur on all ranks. Rank 0 reports at once, and torchrun ends the waiting ranks. A rank that has lost
    the connection to another one waits for that one's report.
    """
    rank = this_rank()
    if rank.world == 1 or (rank.number == 0 and not isinstance(error, LostConnection)):
        return
    ended = threading.Event()
    if threading.current_thread() is threading.main_thread():
        # Training may have left a handler that only notes a signal. Rank 0 still reports the lost connection.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if rank.number else lambda *_: ended.set())
    ended.wait(_RANK_0_FIRST_S + isinstance(error, LostConnection))


def lost_others(error: BaseException) -> LstError | None:
    """The error to report when the connection to other ranks broke; None for any other error."""
    from fairseq2.gang import GangError
    from torch.distributed import DistError

    seen: BaseException | None = error
    while seen is not None and world_size() > 1:
        # Gloo's own errors are plain RuntimeErrors that begin with its source file.
        if isinstance(seen, (GangError, DistError)) or (isinstance(seen, RuntimeError) and "gloo" in str(seen)):
            return LostConnection(
                f"rank {rank()} of {world_size()} lost the connection to the others: one of them failed or was killed",
                found=str(seen).splitlines()[0],
                fix="see the error that rank printed; the same command resumes from the last checkpoint",
            )
        seen = seen.__cause__ or seen.__context__
    return None
