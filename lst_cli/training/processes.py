"""How many processes train together, and which one this is, as torchrun or Slurm's srun says. Imports nothing heavy."""

from __future__ import annotations

import os

from lst_cli.errors import LstError, UserError


def rank() -> int:
    """Number of this process; 0 makes the artifact."""
    return _number("RANK", "SLURM_PROCID", default=0)


def world_size() -> int:
    """Number of processes."""
    return _number("WORLD_SIZE", "SLURM_NTASKS" if "SLURM_PROCID" in os.environ else "", default=1)


def _number(*names: str, default: int) -> int:
    for name in names:
        if os.environ.get(name, "").isdecimal():
            return int(os.environ[name])
    return default


def check_shares(sequences_per_step: int, streams: int, size: int | None = None) -> None:
    """Refuse a number of processes that does not divide the data.

    :param size: the number; by default that of this run.
    :raises UserError: names the settings.
    """
    size = size or world_size()
    for name, value in (("data.sequences_per_step", sequences_per_step), ("data.streams", streams)):
        if value % size:
            raise UserError(
                f"{name}: {value} can't be dealt to {size} processes",
                expected=f"a multiple of {size}",
                fix=f"change {name}, which starts another run, or the number of processes",
            )


def lost_others(error: BaseException) -> LstError | None:
    """What to say when an error comes from the connection to the other processes; None when it does not."""
    from fairseq2.gang import GangError
    from torch.distributed import DistError

    seen: BaseException | None = error
    while seen is not None and world_size() > 1:
        # Gloo's own errors are plain RuntimeErrors that begin with its source file.
        if isinstance(seen, (GangError, DistError)) or (isinstance(seen, RuntimeError) and "gloo" in str(seen)):
            return LstError(
                f"process {rank()} of {world_size()} has lost the others: one of them has failed or was killed",
                found=str(seen).splitlines()[0],
                fix="see what that one has said; the same command goes on from the last checkpoint",
            )
        seen = seen.__cause__ or seen.__context__
    return None
