"""The lock on an artifact that is being built: one builder at a time, on one host or on several.

The lock is a file next to the working folder, with its owner's host, process and time. It is created with
``O_EXCL``, which network file systems honour. Its owner also holds ``flock`` on it, which the kernel of a host frees
when the process dies, however it dies, and touches the file every :data:`HEARTBEAT_S`. So the lock of a dead process is
recognised at once on its own host, and on other hosts after :data:`STALE_S` without a heartbeat.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from lst_cli.console import say
from lst_cli.errors import LstError
from lst_cli.json_text import parse_json

HEARTBEAT_S = 20.0
STALE_S = 300.0
"""A lock of another host without a heartbeat for this long belongs to a dead process."""
_UNWRITTEN_S = 2.0
"""A lock file that stays empty for this long belongs to a process that died while creating it."""
_POLL_S = (0.1, 2.0)
"""Pause between two attempts: the first, and the longest."""
_NO_FLOCK = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EBADF, errno.EINVAL)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that holds a lock."""

    host: str
    """Name and boot id: neither a reboot nor another machine of the same name looks like this host."""
    pid: int
    since: str
    """ISO 8601, UTC."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host.split('/')[0]}, since {self.since}"


class Lock:
    """A lock that this process holds; made by :func:`exclusive` and :func:`try_lock`."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._released = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="lock heartbeat", daemon=True)
        self._beating.start()

    def check(self) -> None:
        """Check that the lock is still held: another host takes it over from a process that sleeps too long.

        :raises LstError: another process has it now.
        """
        if not _is_at(self._handle, self.path):
            raise LstError(
                f"{self.path}: another process took over the lock",
                found=f"no heartbeat of this process for {STALE_S:.0f} s, as after a suspend",
                fix="run the same command again: it waits for the other process",
            )

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT_S):
            with suppress(OSError):
                os.utime(self._handle)

    def release(self) -> None:
        """Remove the file, then free the kernel's lock."""
        self._released.set()
        self._beating.join()
        if _is_at(self._handle, self.path):
            self.path.unlink(missing_ok=True)
        os.close(self._handle)


@contextmanager
def exclusive(path: Path, waiting_for: str) -> Iterator[Lock]:
    """Hold the lock at ``path``; wait while another process holds it.

    :param waiting_for: what the other process is making, for the message to the user.
    """
    pause, longest = _POLL_S
    told = False
    while (lock := _acquire(path)) is None:
        owner = holder(path)
        if owner is not None and not told:
            say(f"waiting for {waiting_for}: {owner} is making it")
            told = True
        time.sleep(pause)
        pause = min(1.5 * pause, longest)
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def try_lock(path: Path) -> Iterator[Lock | None]:
    """Hold the lock at ``path``; None if another process holds it."""
    lock = _acquire(path)
    try:
        yield lock
    finally:
        if lock is not None:
            lock.release()


def remove_locks_of_the_dead(paths: Iterable[Path]) -> None:
    """Remove the locks of killed processes; those of live ones stay."""
    for path in paths:
        with suppress(OSError), try_lock(path):
            pass  # to hold the lock of a killed process is to remove it


def holder(path: Path) -> Owner | None:
    """The live process that holds the lock; None if none does."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _stale(handle, path) else _owner(handle) or Owner(host="an unknown host", pid=0, since="now")
    finally:
        os.close(handle)


def in_good_hands(path: Path) -> bool:
    """Whether a live process holds the lock.

    A process on another host that was killed looks alive until its lock is stale. So this waits for a heartbeat, for
    up to :data:`STALE_S`.
    """
    seen: float | None = None
    while (owner := holder(path)) is not None:
        try:
            beat = path.stat().st_mtime
        except FileNotFoundError:
            return False
        if owner.host == this_host() or (seen is not None and beat != seen):
            return True
        seen = beat
        time.sleep(_POLL_S[1])
    return False


def _acquire(path: Path) -> Lock | None:
    """Acquire the lock if it is free; a stale one is removed first."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            if not _remove_stale(path):
                return None
            continue
        try:
            _flock(handle, fcntl.LOCK_EX)  # others hold it only while they check the file
            if _is_at(handle, path):
                since = datetime.now(timezone.utc).isoformat(timespec="seconds")
                owner = Owner(host=this_host(), pid=os.getpid(), since=since)
                os.write(handle, json.dumps(asdict(owner)).encode())
                return Lock(path, handle)
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(handle)
            raise
        os.close(handle)


def _remove_stale(path: Path) -> bool:
    """Whether the file at ``path`` is gone: it was stale, or its owner released it meanwhile."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        if not _stale(handle, path):
            return False
        if _is_at(handle, path):  # the kernel's lock is held: no other process of this host removes a new one
            path.unlink(missing_ok=True)
        return True
    finally:
        os.close(handle)


def _stale(handle: int, path: Path) -> bool:
    """Whether the owner is dead. If so, the kernel's lock is held until ``handle`` is closed."""
    try:
        free = _flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    owner = _owner(handle)
    if owner is not None and owner.host == this_host():
        return free or not process_runs(owner.pid)
    silent_s = file_system_time(path.parent) - os.fstat(handle).st_mtime
    return silent_s > (_UNWRITTEN_S if owner is None else STALE_S)


def _flock(handle: int, operation: int) -> bool:
    """Lock; False on a file system that has no such locks.

    :raises BlockingIOError: another process holds it.
    """
    try:
        fcntl.flock(handle, operation)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in _NO_FLOCK:
            return False
        raise
    return True


def _owner(handle: int) -> Owner | None:
    try:
        return Owner(**parse_json(os.pread(handle, 4096, 0)))
    except (ValueError, TypeError):
        return None


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one at ``path``."""
    mine = os.fstat(handle)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def process_runs(pid: int) -> bool:
    """Whether this host runs a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def file_system_time(folder: Path) -> float:
    """Seconds since 1970 by the clock of the file system, which may differ from this host's."""
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            return os.fstat(stream.fileno()).st_mtime
    except OSError:  # a read-only folder
        return time.time()


def this_host() -> str:
    """Identifies this host among those that share a file system, until it reboots."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return f"{os.uname().nodename}/{boot}"
