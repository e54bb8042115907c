"""A file in a bucket as an open file: read by byte range through the cache on disk, and only the version listed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from lst_cli.errors import UserError
from lst_cli.storage.range_cache import RangeCache, cache_bytes, cache_folder
from lst_cli.storage.remote import NoSuchObject, ObjectFacts, Remote
from lst_cli.storage.seekable import SeekableReader

_WHOLE_BYTES = 8 << 20
"""A file of at most this size is fetched by one request."""

_BLOCK_BYTES = 4 << 20
"""A larger one is fetched in blocks of this size, those that are needed."""


class ChangedObject(UserError):
    """A file is not the one that was listed."""


class RangeFile(SeekableReader):
    """A file in a bucket, open for reading.

    Before anything is fetched, the store is asked whether the file is still the one that was listed.
    """

    def __init__(self, folder: Remote, name: str, facts: ObjectFacts) -> None:
        super().__init__(facts.bytes)
        self._folder, self._name, self._facts = folder, name, facts
        self._content = sha256(f"{folder.url}/{name}\n{facts.bytes}\n{facts.stamp}".encode()).hexdigest()
        self._block = facts.bytes if facts.bytes <= _WHOLE_BYTES else _BLOCK_BYTES
        self._held, self._held_at = memoryview(b""), 0

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; it stays unfilled only at the end of the file.

        :raises NoSuchObject, ChangedObject: the file was removed or written again.
        :raises LstError: the store can't be reached, or refuses access.
        """
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and self._at < self._size:
            if not self._held_at <= self._at < self._held_at + len(self._held):
                self._held_at = self._at // self._block * self._block
                self._held = memoryview(self._read_block(self._held_at))
            piece = self._held[self._at - self._held_at :][: len(view) - filled]
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._at += len(piece)
        return filled

    def _read_block(self, start: int) -> bytes:
        stop = min(start + self._block, self._size)
        return _cache(cache_folder(), cache_bytes()).read(self._content, start, stop, self._fetch)

    def _fetch(self, start: int, stop: int) -> bytes:
        with refusals_are_failures():
            found = self._folder.facts(self._name)
            if found != self._facts:
                raise ChangedObject(
                    f"{self._folder.url}/{self._name}: the object was changed",
                    found=str(found),
                    expected=str(self._facts),
                    fix="put the object back as it was, or run 'lst corpus add' again",
                )
            return self._folder.read_range(self._name, start, stop)


@lru_cache(maxsize=4)
def _cache(folder: Path, most_bytes: int) -> RangeCache:
    return RangeCache(folder, most_bytes)


@contextmanager
def refusals_are_failures() -> Iterator[None]:
    """A store that refuses access fails for all files: an error of the run, not of one file, which would be rejected.

    :raises LstError: access is refused.
    """
    try:
        yield
    except (NoSuchObject, ChangedObject):
        raise
    except UserError as error:
        raise error.as_failure() from None
