"""Work units that ranks share by their part files.

A finished unit is a part file in the draft's ``parts`` folder. The folder outlives a kill, so work is never done twice.
A part file is whole or absent, so nothing half-made is ever read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from lst_cli.artifacts.lock import exclusive
from lst_cli.artifacts.paths import helper_lock_file
from lst_cli.console import progress, say
from lst_cli.distributed.launcher import Rank

if TYPE_CHECKING:
    from lst_cli.artifacts import Request, Store


class Named(Protocol):
    """What makes a part of the whole."""

    @property
    def file_name(self) -> str:
        """Its part file."""
        ...


Unit = TypeVar("Unit", bound=Named)
"""Whatever the work is divided into."""

Made = TypeVar("Made")
"""What is made of a unit."""


def own_first(rank: Rank, units: Sequence[Unit]) -> list[Unit]:
    """The rank's own share, from the front."""
    return list(units[rank.number :: rank.world])


def to_help_with(rank: Rank, missing: Sequence[Unit]) -> list[Unit]:
    """One unit that another rank may not have reached: ranks work from the front, so take from the back."""
    return [missing[-1 - rank.number % len(missing)]] if missing else []


@dataclass(frozen=True)
class SharedParts:
    """A rank, and the folder of the parts that it makes together with other ranks."""

    rank: Rank
    folder: Path
    """Common to all ranks."""
    finished: Callable[[], bool] = lambda: False
    """Whether the result has been made of the parts; then there is nothing left to do."""

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """A block that reads or writes parts: rank 0 may have finished and taken the folder away."""
        try:
            yield
        except FileNotFoundError:
            if not self.finished():
                raise


@dataclass(frozen=True)
class SharedWork(Generic[Unit]):
    """Work units that ranks share by the part files alone; ranks do not communicate."""

    units: Sequence[Unit]
    parts: SharedParts

    def own(self) -> list[Unit]:
        """The rank's share, without finished units."""
        missing = {unit.file_name for unit in self._missing()}
        return [unit for unit in own_first(self.parts.rank, self.units) if unit.file_name in missing]

    def rounds(self, own: list[Unit]) -> Iterator[list[Unit]]:
        """Units to compute: this rank's own, then one missing unit at a time until none is left."""
        # A rank that is started again may find its own share finished, and that of another not.
        todo = own or to_help_with(self.parts.rank, self._missing())
        while todo and not self.parts.finished():
            yield todo
            todo = to_help_with(self.parts.rank, self._missing())

    def pending(self, todo: Sequence[Unit]) -> Iterator[Unit]:
        """The units that no other rank has made by the time they are reached."""
        for unit in todo:
            if self.parts.finished():
                return
            if not self.path(unit).exists():
                yield unit

    def run(
        self,
        make: Callable[[Unit], Made],
        write: Callable[[Path, Made], None],
        *,
        what: str,
        size: Callable[[Unit], float],
        counted: str,
    ) -> None:
        """Make this rank's units, then help with those still missing. Afterwards all parts are there, or the result.

        :param make: computes what ``write`` writes into the part file, whole or not at all.
        :param what: the work, for the progress bar.
        :param size: of a unit, in ``counted``.
        """
        own = self.own()
        with progress(what, sum(map(size, own)), counted) as bar:
            for todo in self.rounds(own):
                for unit in self.pending(todo):
                    with self.parts.in_use():
                        part = make(unit)
                        if not self.parts.finished():
                            write(self.path(unit), part)
                    bar.advance(size(unit))

    def path(self, unit: Unit) -> Path:
        """The part file of a unit."""
        return self.parts.folder / unit.file_name

    @property
    def paths(self) -> list[Path]:
        """The part files, in order."""
        return [self.path(unit) for unit in self.units]

    def _missing(self) -> list[Unit]:
        made: set[str] = set()
        with suppress(FileNotFoundError):  # no rank has started, or rank 0 has finished
            made.update(path.name for path in self.parts.folder.iterdir())
        return [unit for unit in self.units if unit.file_name not in made]


def help_with(store: Store, request: Request, rank: Rank, work: Callable[[SharedParts], None]) -> None:
    """The work of a rank other than 0: make parts of an artifact until none is missing.

    It does not depend on rank 0 being alive: if rank 0 dies, its next run finds all parts made.
    """

    def finished() -> bool:
        return store.existing(request) is not None

    if not finished():
        parts = store.working_folder(request) / "parts"
        with exclusive(helper_lock_file(store.folder(request)), str(parts)):  # shows that the folder is in use
            work(SharedParts(rank, parts, finished))
        if finished():
            # Rank 0 has finished; a part written after that would never be removed.
            shutil.rmtree(parts.parent, ignore_errors=True)
    say(f"rank {rank.number}: no work unit is left")
