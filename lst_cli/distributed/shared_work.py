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


def own_first(rank: Rank, units: Sequence[Unit]) -> list[Unit]:
    """The rank's own share, from the front."""
    return list(units[rank.number :: rank.world])


def to_help_with(rank: Rank, missing: Sequence[Unit]) -> list[Unit]:
    """One unit that another rank may not have reached: ranks work from the front, so take from the back."""
    return [missing[-1 - rank.number % len(missing)]] if missing else []


@dataclass(frozen=True)
class SharedWork(Generic[Unit]):
    """Work units that ranks share by the part files alone; ranks do not communicate."""

    units: Sequence[Unit]
    rank: Rank
    parts: Path
    """Folder of the finished units' files, common to all ranks."""
    finished: Callable[[], bool] = lambda: False
    """Whether the result has been made of them; then there is nothing left to do."""

    def own(self) -> list[Unit]:
        """The rank's share, without finished units."""
        missing = {unit.file_name for unit in self._missing()}
        return [unit for unit in own_first(self.rank, self.units) if unit.file_name in missing]

    def rounds(self, own: list[Unit]) -> Iterator[list[Unit]]:
        """Units to compute: this rank's own, then one missing unit at a time until none is left."""
        # A rank that is started again may find its own share finished, and that of another not.
        todo = own or to_help_with(self.rank, self._missing())
        while todo and not self.finished():
            yield todo
            todo = to_help_with(self.rank, self._missing())

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
        with suppress(FileNotFoundError):  # no rank has started, or rank 0 has finished
            made.update(path.name for path in self.parts.iterdir())
        return [unit for unit in self.units if unit.file_name not in made]


def help_with(store: Store, request: Request, work: Callable[[Path, Callable[[], bool]], None]) -> None:
    """What a rank other than 0 does: make parts of an artifact until none is missing.

    It does not depend on rank 0 being alive: if rank 0 dies, its next run finds all parts made.

    :param work: is given the folder of the parts, and whether the artifact has been made of them.
    """

    def finished() -> bool:
        return store.existing(request) is not None

    if finished():
        return
    parts = store.working_folder(request) / "parts"
    with exclusive(helper_lock_file(store.folder(request)), str(parts)):  # shows that the folder is in use
        work(parts, finished)
    if finished():
        # Rank 0 has finished; a part written after that would never be removed.
        shutil.rmtree(parts.parent, ignore_errors=True)
