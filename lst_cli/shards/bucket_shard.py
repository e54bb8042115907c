"""A shard file in a bucket: its footer and row groups are read by byte range, through a cache on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from lst_cli.artifacts.bucket import BucketArtifact
from lst_cli.artifacts.manifest import FileRecord
from lst_cli.errors import UserError
from lst_cli.storage.range_cache import RangeCache
from lst_cli.storage.remote import Remote
from lst_cli.storage.seekable import SeekableReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TAIL_BYTES = 1 << 16
"""Read at the end of a file: enough for most footers."""

_LENGTH_AND_MAGIC = 8


@dataclass(frozen=True)
class BucketShard:
    """One shard file of an artifact in a bucket.

    What arrives is checked by the checksum of each Parquet page when it is decoded. A range that fails is fetched once
    more, in case the cached copy or the transfer was damaged.
    """

    remote: Remote
    record: FileRecord
    cache: RangeCache = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.remote.url}/{self.record.path}"

    @property
    def name(self) -> str:
        """The file's name, without folders."""
        return self.record.path.rpartition("/")[2]

    def metadata(self) -> pq.FileMetaData:
        """The file's footer.

        :raises pa.ArrowException: it is damaged.
        :raises LstError: it can't be fetched.
        """
        return _metadata(self)

    def row_group(self, index: int, columns: Sequence[str] | None) -> pa.Table:
        """Columns of a row group, with their page checksums verified.

        :raises pa.ArrowException, OSError: it is damaged.
        :raises LstError: it can't be fetched.
        """
        metadata = self.metadata()
        start, stop = _span(metadata.row_group(index))

        def decode(data: bytes) -> pa.Table:
            source = pa.PythonFile(_Window(data, start, self.record.bytes), mode="r")
            file = pq.ParquetFile(source, metadata=metadata, page_checksum_verification=True)
            table = file.read_row_group(index, columns=None if columns is None else list(columns), use_threads=False)
            table.validate(full=True)
            return table

        return self.decoded(start, stop, decode)

    def decoded(self, start: int, stop: int, decode: Callable[[bytes], pa.Table]) -> pa.Table:
        """What ``decode`` makes of a range; after a failure of a range that is fetched anew."""
        try:
            return decode(self._bytes(start, stop))
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            self.cache.drop(self.record.sha256, start, stop)
            return decode(self._bytes(start, stop))

    def _bytes(self, start: int, stop: int) -> bytes:
        try:
            fetch = partial(self.remote.read_range, self.record.path)
            return self.cache.read(self.record.sha256, start, stop, fetch)
        except UserError as error:
            # Not for run.skip_corrupt: credentials that expire must not turn into skipped data.
            raise error.as_failure() from None


def shards_in_bucket(artifact: BucketArtifact, pattern: str, cache: RangeCache) -> list[BucketShard]:
    """The shard files of an artifact in a bucket."""
    return [BucketShard(artifact.remote, record, cache) for record in artifact.records(pattern)]


@lru_cache(maxsize=256)
def _metadata(shard: BucketShard) -> pq.FileMetaData:
    size = shard.record.bytes
    first = max(0, size - _TAIL_BYTES)

    def decode(tail: bytes) -> pq.FileMetaData:
        length = int.from_bytes(tail[-_LENGTH_AND_MAGIC:-4], "little") + _LENGTH_AND_MAGIC
        if tail[-4:] == b"PAR1" and len(tail) < length <= size:
            return shard.decoded(size - length, size, lambda footer: pq.read_metadata(pa.BufferReader(footer)))
        return pq.read_metadata(pa.BufferReader(tail))

    return shard.decoded(first, size, decode)


def _span(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """Where the pages of a row group lie in the file."""
    chunks = [group.column(i) for i in range(group.num_columns)]
    starts = [
        min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
        if chunk.has_dictionary_page
        else chunk.data_page_offset
        for chunk in chunks
    ]
    stops = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
    return min(starts), max(stops)


class _Window(SeekableReader):
    """A file of which only one range is there."""

    def __init__(self, data: bytes, start: int, size: int) -> None:
        super().__init__(size)
        self._data, self._start = data, start

    def read(self, n: int = -1) -> bytes:
        first = self._at - self._start
        if first < 0 or n < 0:
            raise OSError(f"bytes at {self._at} are outside of the row group")
        found = self._data[first : first + n]
        self._at += len(found)
        return found
