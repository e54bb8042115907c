"""Byte ranges of remote files, kept in a folder of bounded size. The least recently used are removed first."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lst_cli.console import warn
from lst_cli.errors import UserError

_KEPT_SHARE = 0.9
"""Share of the bound that a removal leaves, so that not every write is one."""

_RECOUNT_SHARE = 1 / 32
"""Share of the bound that one process writes before it counts what others have written."""


_CHECKSUM_BYTES = 4
"""Behind the bytes of each range."""


def cache_folder() -> Path:
    """Where ranges are kept: the environment variable ``LST_CACHE``, or ``~/.cache/lst``."""
    given = os.environ.get("LST_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lst"


def cache_bytes() -> int:
    """Bound of the folder for audio: the environment variable ``LST_CACHE_GIB``, or 50 GiB.

    :raises UserError: it is not a size.
    """
    given = os.environ.get("LST_CACHE_GIB") or "50"
    try:
        gib = float(given)
    except ValueError:
        gib = -1.0
    if not 0 <= gib <= 1e6:
        raise UserError(f"LST_CACHE_GIB={given}: not a size", expected="GiB for what is read from buckets, 0 or more")
    return int(gib * (1 << 30))


class RangeCache:
    """Reads ranges from the folder, or fetches them. Processes and threads may share the folder.

    :param most_bytes: bound of the folder; caches that share it may pass it by 3% each.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder / "ranges"
        self._most = most_bytes
        self._since_count = 0
        self._total: int | None = None
        self._counting = threading.Lock()

    def read(self, content: str, start: int, stop: int, fetch: Callable[[int, int], bytes]) -> bytes:
        """Bytes ``start`` to ``stop`` (exclusive) of a remote file.

        A cached range has a checksum: one that was damaged on the disk is fetched again.

        :param content: names the contents of the whole file, in hex digits: the same content is cached once.
        :param fetch: gets a range that is not in the folder.
        """
        path = self._path(content, start, stop)
        with suppress(OSError):
            data = path.read_bytes()
            if (
                len(data) == stop - start + _CHECKSUM_BYTES
                and _checksum(data[:-_CHECKSUM_BYTES]) == data[-_CHECKSUM_BYTES:]
            ):
                os.utime(path)
                return data[:-_CHECKSUM_BYTES]
        data = fetch(start, stop)
        if len(data) + _CHECKSUM_BYTES <= self._most:
            try:
                self._keep(path, data + _checksum(data))
            except OSError as error:  # a full disk, or no permission: no reason to end a run
                self._most = 0
                warn(f"{self._folder}: what is read from buckets can't be kept ({error.strerror or error})")
        return data

    def drop(self, content: str, start: int, stop: int) -> None:
        """Forget a range, so that it is fetched anew."""
        self._path(content, start, stop).unlink(missing_ok=True)

    def _path(self, content: str, start: int, stop: int) -> Path:
        return self._folder / f"{content[:32]}-{start}-{stop}"

    def _keep(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._counting:
            if self._total is None or self._since_count > self._most * _RECOUNT_SHARE:
                self._total, self._since_count = sum(size for _, size, _ in self._entries()), 0
            if self._total + len(data) > self._most:
                self._make_room(len(data))
            self._total += len(data)
            self._since_count += len(data)
        own = f"{os.uname().nodename}.{os.getpid()}.{threading.get_ident()}"
        unfinished = path.with_name(f"{path.name}.{own}.tmp")
        try:
            unfinished.write_bytes(data)
            with suppress(FileNotFoundError):  # another process made room just now
                unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _make_room(self, needed: int) -> None:
        entries = sorted(self._entries(), key=lambda entry: entry[0])
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total + needed <= self._most and total <= self._most * _KEPT_SHARE:
                break
            path.unlink(missing_ok=True)
            total -= size
        self._total, self._since_count = total, 0

    def _entries(self) -> list[tuple[int, int, Path]]:
        """(time of last use, bytes, path) of every file in the folder."""
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    status = entry.stat()
                    found.append((status.st_mtime_ns, status.st_size, Path(entry.path)))
        return found


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CHECKSUM_BYTES, "big")
