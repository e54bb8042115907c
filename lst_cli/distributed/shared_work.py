"""Work units, shared by ranks through part files.

A finished unit is a part file in the draft's ``parts`` folder. The folder survives a kill, so no unit is done twice.
A part file is whole or absent, so no rank reads an unfinished one.

A rank's number only determines where it begins; it then takes units until none is missing. So a rank may start late,
never, or again. Of ranks that were started together, rank 0 makes the artifact from the parts; of independent ranks,
the first that finds no unit missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from lst_cli.artifacts.lock import exclusive, in_good_hands
from lst_cli.artifacts.paths import helper_lock_file, lock_file
from lst_cli.console import progress, say
from lst_cli.distributed.launcher import Rank

if TYPE_CHECKING:
    from lst_cli.artifacts import Built, Draft, Request, Store


class SharedUnit(Protocol):
    """A unit of work."""

    @property
    def file_name(self) -> str:
        """Its part file."""
        ...

    @property
    def size(self) -> int:
        """Its size, for the progress bar."""
        ...


Unit = TypeVar("Unit", bound=SharedUnit)
"""A unit of work."""

Made = TypeVar("Made")
"""The result of a unit."""


def own_first(rank: Rank, units: Sequence[Unit]) -> list[Unit]:
    """The rank's own share, in order."""
    return list(units[rank.number :: rank.world])


def to_help_with(rank: Rank, missing: Sequence[Unit]) -> list[Unit]:
    """A unit that another rank may not have reached: ranks begin at the front, so it is taken from the back."""
    return [missing[-1 - rank.number % len(missing)]] if missing else []


@dataclass(frozen=True)
class SharedParts:
    """A rank, and the folder of the parts that it shares with other ranks."""

    rank: Rank
    folder: Path
    """The folder, common to all ranks."""
    finished: Callable[[], bool] = lambda: False
    """Whether the artifact has been made from the parts; then there is nothing left to do."""

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Context of code that reads or writes parts: rank 0 may have finished and removed the folder."""
        try:
            yield
        except FileNotFoundError:
            if not self.finished():
                raise

    def once_a_run(self, prepare: Callable[[], None]) -> None:
        """Let one rank prepare the folder before independent ranks look for missing parts."""
        if self.rank.run is None:
            if self.rank.number == 0:
                prepare()
            return
        marker = self.folder / f".run-{self.rank.run}"
        with self.in_use(), exclusive(self.folder.with_name("parts.lock"), "the parts of an earlier run"):
            if not marker.exists() and not self.finished():
                prepare()
                self.folder.mkdir(parents=True, exist_ok=True)
                marker.touch()


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
        # A restarted rank may find its own share finished, and that of another rank unfinished.
        todo = own or to_help_with(self.parts.rank, self._missing())
        while todo and not self.parts.finished():
            yield todo
            todo = to_help_with(self.parts.rank, self._missing())

    def pending(self, todo: Sequence[Unit]) -> Iterator[Unit]:
        """The units that no other rank has made by the time this one reaches them."""
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
        counted: str,
    ) -> None:
        """Make this rank's units, then help with those still missing. Afterwards all parts exist, or the artifact.

        :param make: computes what ``write`` writes to the part file, whole or not at all.
        :param what: the work, for the progress bar.
        :param counted: what the size of a unit counts.
        """
        own = self.own()
        with progress(what, sum(unit.size for unit in own), counted) as bar:
            for todo in self.rounds(own):
                for unit in self.pending(todo):
                    with self.parts.in_use():
                        part = make(unit)
                        if not self.parts.finished():
                            write(self.path(unit), part)
                    bar.advance(unit.size)

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


def build_together(
    store: Store,
    rank: Rank,
    plan: Callable[[Rank], tuple[Request, Callable[[Draft], None]]],
    share: Callable[[SharedParts], None],
    command: Sequence[str] = (),
) -> Built | None:
    """Build an artifact together with other ranks; None on a rank that only helped.

    :param plan: the request, and the function that makes it once :func:`help_with` has left nothing to do.
    :param share: makes parts until none is missing.
    :param command: the command line, for the manifest.
    """
    request, make = plan(rank)
    if rank.number == 0 and rank.run is None:
        return store.build(request, make, command)
    help_with(store, request, rank, share)
    # Making the artifact of the parts may take hours of training: no rank waits for it.
    if rank.run is None or in_good_hands(lock_file(store.folder(request))):
        return None
    return store.build(request, make, command)


def help_with(store: Store, request: Request, rank: Rank, work: Callable[[SharedParts], None]) -> None:
    """Make parts of an artifact until none is missing. It does not depend on any other rank being alive."""

    def finished() -> bool:
        return store.existing(request) is not None

    if not finished():
        parts = store.working_folder(request) / "parts"
        with exclusive(helper_lock_file(store.folder(request)), str(parts)):  # marks the folder as in use
            work(SharedParts(rank, parts, finished))
        if finished():
            # Another rank has finished; a part written after that would never be removed.
            shutil.rmtree(parts.parent, ignore_errors=True)
    say(f"rank {rank.number}: no work unit is left")
