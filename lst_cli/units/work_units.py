"""Dividing the tokenizing of a corpus into work units, and any work units among ranks.

Of a corpus, a work unit is a run of utterances. Finished ones lie as part files in the draft's ``parts`` folder, which
outlives a kill, so work done is never done twice; and they are whole or absent, so nothing half-made is ever read.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from lst_cli.errors import UserError
from lst_cli.units.frames import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.artifacts import Request, Store


class Named(Protocol):
    """What makes a part of the whole."""

    @property
    def file_name(self) -> str:
        """Its part file."""
        ...


Unit = TypeVar("Unit", bound=Named)
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


@dataclass(frozen=True)
class SharedWork(Generic[Unit]):
    """Work units that ranks share by the part files alone: no rank needs a sign of life from another."""

    units: Sequence[Unit]
    rank: Rank
    parts: Path
    """Folder of the finished units' files, common to all ranks."""
    finished: Callable[[], bool] = lambda: False
    """Whether the result has been made of them; then there is nothing left to do."""

    def own(self) -> list[Unit]:
        """The rank's share, without what is there."""
        missing = {unit.file_name for unit in self._missing()}
        return [unit for unit in self.rank.own_first(self.units) if unit.file_name in missing]

    def rounds(self, own: list[Unit]) -> Iterator[list[Unit]]:
        """What to make: this rank's own units, then such as are still missing, until none is."""
        todo = own
        while todo and not self.finished():
            yield todo
            todo = self.rank.to_help_with(self._missing())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A block that writes parts: rank 0 may have found them made by others, finished, and taken the folder away."""
        try:
            yield
        except FileNotFoundError:
            if not self.finished():
                raise

    def _missing(self) -> list[Unit]:
        made: set[str] = set()
        with suppress(FileNotFoundError):  # nobody has begun, or rank 0 has finished
            made.update(path.name for path in self.parts.iterdir())
        return [unit for unit in self.units if unit.file_name not in made]


def help_with(store: Store, request: Request, work: Callable[[Path, Callable[[], bool]], None]) -> None:
    """What a rank other than 0 does: make parts of an artifact until none is missing.

    It needs no sign of life from rank 0: should that die, its next run finds all parts made.

    :param work: is given the folder of the parts, and whether the artifact has been made of them.
    """

    def finished() -> bool:
        return store.existing(request) is not None

    if finished():
        return
    parts = store.working_folder(request) / "parts"
    work(parts, finished)
    if finished():
        # Rank 0 has finished and gone; a part written after that would lie there for ever.
        shutil.rmtree(parts.parent, ignore_errors=True)


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
