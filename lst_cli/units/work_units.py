"""Dividing the tokenizing of a corpus into work units, and those among ranks.

A work unit is a run of utterances. Finished ones lie as part files in the draft's ``parts`` folder, which outlives a
kill, so work done is never done twice; and they are whole or absent, so nothing half-made is ever read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lst_cli.errors import UserError
from lst_cli.units.frames import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Unit = TypeVar("Unit")
"""Whatever the work is divided into."""

UNIT_SAMPLES = 1800 * SAMPLE_RATE
"""A work unit holds about half an hour of audio: what a killed rank has to do again at most."""

_CLIP_SAMPLES = SAMPLE_RATE // 10
"""Counted for each utterance on top of its audio, so that units of very short clips don't grow long."""


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """The utterances ``[start, stop)`` of a corpus, by row."""

    start: int
    stop: int

    @property
    def file_name(self) -> str:
        """Its part file; names the rows, so that a part of another division is never taken for it."""
        return f"rows-{self.start:09d}-{self.stop:09d}.parquet"


def divide(samples_U: NDArray[np.int64], unit_samples: int = UNIT_SAMPLES) -> list[WorkUnit]:
    """Divide a corpus, given the length of each utterance at 16 kHz. Depends on nothing else."""
    import numpy as np

    if not len(samples_U):
        return []
    cost_U = samples_U + _CLIP_SAMPLES
    number_U = (np.cumsum(cost_U) - cost_U) // unit_samples
    starts = np.flatnonzero(np.diff(number_U, prepend=-1)).tolist()
    return [WorkUnit(start, stop) for start, stop in zip(starts, [*starts[1:], len(samples_U)], strict=True)]


@dataclass(frozen=True)
class Rank:
    """A process among those that work on the same thing."""

    number: int
    world: int
    local: int
    """Its number on its machine, which is that of its GPU."""

    def own_first(self, units: Sequence[Unit]) -> list[Unit]:
        """The rank's own share, from the front."""
        return list(units[self.number :: self.world])

    def to_help_with(self, missing: Sequence[Unit]) -> list[Unit]:
        """One unit that another rank may not have come to: those work from the front, so take from the back."""
        return [missing[-1 - self.number % len(missing)]] if missing else []


def this_rank() -> Rank:
    """Who this process is, under ``torchrun``, Slurm's ``srun``, or alone.

    :raises UserError: the variables that the launcher set make no sense.
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
                    "this process's rank makes no sense",
                    found=", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True)),
                    expected="whole numbers, the rank from 0 to below the number of processes",
                    fix="start it with torchrun or srun, or unset these variables",
                )
            return Rank(number, world, local)
    return Rank(0, 1, 0)
