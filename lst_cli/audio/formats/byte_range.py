"""Open files as decoders need them: a part of one like a separate file, and one whose errors are not lost."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from lst_cli.errors import LstError
from lst_cli.storage.seekable import SeekableReader


class ByteRange(SeekableReader):
    """Bytes ``[start, end)`` of ``file``; the first ones may be replaced to correct a header.

    :param head: replaces the first ``len(head)`` bytes of the range.
    """

    def __init__(self, file: BinaryIO, start: int, end: int, head: bytes = b"") -> None:
        super().__init__(end - start)
        self._file = file
        self._start = start
        self._head = head

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; 0 at the end of the range."""
        wanted = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(wanted)
        patch = self._head[self._at : self._at + len(data)]
        view = memoryview(buffer).cast("B")
        view[: len(data)] = patch + data[len(patch) :]
        self._at += len(data)
        return len(data)


class KeptErrors(io.RawIOBase):
    """An open file that ends where reading it fails; the error is kept.

    libsndfile calls it from C, where an exception would be printed and forgotten.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: LstError | None = None

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position in the file."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the file."""
        return self._file.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; 0 at the end of the file, or after an error."""
        if self._error is None:
            try:
                data = self._file.read(len(memoryview(buffer).cast("B")))
            except LstError as error:
                self._error = error
            else:
                memoryview(buffer).cast("B")[: len(data)] = data
                return len(data)
        return 0

    def raise_kept(self) -> None:
        """Raise what went wrong.

        :raises LstError: reading failed.
        """
        if self._error is not None:
            raise self._error
