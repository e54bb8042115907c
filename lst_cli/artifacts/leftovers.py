"""Lists and removes what interrupted commands left below a root; knows what is still in use, or can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lst_cli.artifacts.lock import Owner, holder, try_lock
from lst_cli.artifacts.manifest import MANIFEST
from lst_cli.artifacts.paths import CURRENT, TEMPORARY, writer_runs
from lst_cli.artifacts.removal import delete, hide, is_hidden, remove_dangling
from lst_cli.artifacts.store import Store

LeftoverState = Literal["left", "resumable", "in use"]
"""``left``: no command needs it. ``resumable``: the same command resumes from it. ``in use``: a process is using it."""

_PARTIAL, _LOCK = ".partial", ".lock"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A file, link or folder below the root that is not part of an artifact."""

    path: Path
    what: str
    state: LeftoverState
    bytes: int
    owner: Owner | None = None
    """The process that is using it, if known."""


def leftovers(store: Store, resumable: Callable[[Path], bool] = lambda parts: any(parts.iterdir())) -> list[Leftover]:
    """Everything that interrupted commands left below the root.

    :param resumable: whether a command would resume from a working folder's ``parts``; it is not called for the
        working folders of complete artifacts.
    """
    found = {each.path: each for name in store.name_folders() for each in _of_name(name, resumable)}
    for path in sorted(store.root.glob(f"*/*/*/.*{TEMPORARY}")):  # next to complete files, such as those of ROOT/runs
        if not path.parent.name.startswith("."):
            with suppress(FileNotFoundError):
                found[path] = _temporary(path)
    return list(found.values())


def _of_name(name: Path, resumable: Callable[[Path], bool]) -> Iterator[Leftover]:
    for path in sorted(name.iterdir()):
        with suppress(FileNotFoundError):  # removed during the listing
            if path.name == CURRENT and path.is_symlink() and not path.exists():
                yield Leftover(path=path, what="link to a removed version", state="left", bytes=0)
            elif is_hidden(path):
                yield Leftover(path=path, what="unfinished removal", state="left", bytes=_size(path))
            elif path.name.startswith(".") and path.name.endswith(TEMPORARY):
                yield _temporary(path)
            elif path.name.startswith(".") and path.name.endswith(_PARTIAL):
                yield _partial(path, resumable)
            elif path.name.startswith(".") and path.name.endswith(_LOCK) and holder(path) is None:
                yield Leftover(path=path, what="lock of a dead process", state="left", bytes=_size(path))


def _temporary(path: Path) -> Leftover:
    state: LeftoverState = "in use" if writer_runs(path) else "left"
    return Leftover(path=path, what="unfinished file", state=state, bytes=_size(path))


def _partial(path: Path, resumable: Callable[[Path], bool]) -> Leftover:
    version, parts = path.name[1:].removesuffix(_PARTIAL), path / "parts"
    owner = worker(path)
    state: LeftoverState = "left"
    if owner is not None:
        state = "in use"
    elif not (path.with_name(version) / MANIFEST).is_file() and parts.is_dir() and resumable(parts):
        state = "resumable"
    return Leftover(path=path, what="unfinished work", state=state, bytes=_size(path), owner=owner)


def remove_leftover(leftover: Leftover) -> bool:
    """Remove it, unless a process uses it by now; return whether it is gone."""
    path = leftover.path
    if leftover.state == "in use":
        return False
    if path.name.endswith(_PARTIAL):
        return discard_work(path)
    if path.name.endswith(_LOCK):
        with try_lock(path) as lock:  # a stale lock is removed by locking and releasing it
            return lock is not None
    if is_hidden(path):
        delete(path)
    elif path.name == CURRENT:
        remove_dangling(path.parent)
    else:
        path.unlink(missing_ok=True)
    return True


def discard_work(work: Path) -> bool:
    """Remove a working folder, unless a process works in it; return whether it is gone."""
    with ExitStack() as stack:
        own = work.with_name(work.name.removesuffix(_PARTIAL) + _LOCK)
        for path in {own, *_locks(work)}:
            if stack.enter_context(try_lock(path)) is None:
                return False
        if work.exists():
            delete(hide(work))
    return True


def worker(work: Path) -> Owner | None:
    """The live process that builds the artifact of a working folder, or helps to."""
    return next(filter(None, map(holder, _locks(work))), None)


def _locks(work: Path) -> list[Path]:
    """The builder's lock and those of its helpers."""
    return sorted(work.parent.glob(f"{work.name.removesuffix(_PARTIAL)}*{_LOCK}"))


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    total = 0
    for file in path.rglob("*"):
        with suppress(FileNotFoundError):
            total += 0 if file.is_symlink() or file.is_dir() else file.stat().st_size
    return total
