"""Which process this is among those that work together, as torchrun or Slurm's srun says. Imports nothing heavy."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass

from lst_cli.errors import LstError, UserError


@dataclass(frozen=True)
class Rank:
    """A process among those that work together."""

    number: int
    world: int
    local: int
    """Its number on its machine, which selects its GPU."""


ALONE = Rank(0, 1, 0)
"""The rank of a process that works alone."""


def this_rank() -> Rank:
    """Who this process is, under ``torchrun``, Slurm's ``srun``, or alone.

    :raises UserError: the launcher's environment variables are inconsistent.
    """
    for names in (("RANK", "WORLD_SIZE", "LOCAL_RANK"), ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")):
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
    """The connection to other ranks broke: one of them has failed, and says why."""


_RANK_0_FIRST_S = 5.0
"""A rank that fails gives rank 0 this long to report the same error: then the launcher ends all others."""


def wait_for_rank_0(error: BaseException) -> None:
    """Before a rank prints its error: let a rank go first that can say more.

    Most errors meet all ranks. Rank 0 reports at once, and torchrun ends the ranks that wait. A rank that has lost the
    connection to another waits for that one's report.
    """
    rank = this_rank()
    if rank.world == 1 or (rank.number == 0 and not isinstance(error, LostConnection)):
        return
    ended = threading.Event()
    if threading.current_thread() is threading.main_thread():
        # Training may have left a handler that only notes a signal. Rank 0 still says that it lost the connection.
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
