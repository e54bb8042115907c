"""Building shards of either modality: chunks in, shuffled shards out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from lst_cli.artifacts import Draft
from lst_cli.artifacts.parquet import write_parquet
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.shards.build.shard_statistics import Counts, add_up
from lst_cli.shards.build.shared_chunks import InputChunk, share_chunks
from lst_cli.shards.build.shuffle import Shuffle
from lst_cli.shards.schema import ShardInfo, with_info

_ROW_GROUP_TOKENS = 1_000_000
_ROW_GROUP_ROWS = (64, 8192)


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options of every kind of shards."""

    shard_mb: int
    """Size of a shard, in megabytes of input."""
    seed: int
    """Seed of the shuffle."""
    max_reject_rate: float
    """Largest share of the inputs that may be rejected."""


Prepared = tuple[pa.Table, Counts, list[tuple[str, str]]]
"""Rows of a shard, sums over them, and (id, reason) of rejected inputs."""


@dataclass(frozen=True)
class _Bucket:
    """A work unit of the second half: a shard."""

    number: int
    size: int = 1

    @property
    def file_name(self) -> str:
        """The shard."""
        return f"shard-{self.number:05d}.parquet"


@dataclass(frozen=True, kw_only=True)
class ShuffledShards:
    """Chunks of input rows, to be turned into shards by any number of ranks.

    Ranks share the chunks first, then the shards. Parts that were finished before a crash are reused.
    """

    chunks: Iterable[InputChunk]
    """The same ones each time."""
    prepare: Callable[[pa.Table], Prepared]
    """Makes shard rows of a chunk; not called for a chunk that is finished."""
    schema: pa.Schema
    info: ShardInfo
    input_bytes: int
    """Size of the input, for the number of shards."""
    options: BuildOptions

    def share(self, parts: SharedParts) -> None:
        """The work of a rank other than 0: make chunks and shards until none is missing."""
        count, _ = self._prepare(parts)
        if not parts.finished():
            self._write(parts, count)

    def make(self, draft: Draft, parts: SharedParts, check: Callable[[], None] = lambda: None) -> Counts:
        """Make the shards in a draft; returns the sums over all rows.

        :param check: is called between chunks and shards.
        :raises UserError: too many inputs are rejected.
        """
        count, rows = self._prepare(parts)
        notes_of_chunks = list(self._shuffle(parts).notes(count))
        for notes in notes_of_chunks:
            for id, reason in notes["rejects"]:
                draft.reject(id, reason)
        draft.check_rejects(rows, self.options.max_reject_rate)
        check()
        for path in self._write(parts, count):
            draft.take(path)
        return add_up(notes["counts"] for notes in notes_of_chunks)

    @property
    def _buckets(self) -> int:
        return max(1, -(-self.input_bytes // (self.options.shard_mb << 20)))

    def _shuffle(self, parts: SharedParts) -> Shuffle:
        return Shuffle(parts.folder, self._buckets, self.options.seed)

    def _prepare(self, parts: SharedParts) -> tuple[int, int]:
        shuffle = self._shuffle(parts)

        def make(chunk: InputChunk) -> None:
            table, counts, rejects = self.prepare(chunk.read())
            notes: dict[str, Any] = {"counts": counts, "rejects": rejects}
            if not parts.finished():
                shuffle.add(chunk.number, table.select(self.schema.names), chunk.first_row, notes)

        return share_chunks(self.chunks, parts, shuffle.has, make)

    def _write(self, parts: SharedParts, chunks: int) -> list[Path]:
        shuffle, schema = self._shuffle(parts), with_info(self.schema, self.info)
        work = SharedWork([_Bucket(number) for number in range(self._buckets)], parts)
        work.run(
            lambda bucket: shuffle.bucket(bucket.number, chunks),
            lambda path, table: _write_shard(path, table, schema),
            what="writing shards",
            counted="shards",
        )
        return work.paths


def _write_shard(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    """Write a shard in row groups of about a million tokens."""
    column = table.column("units" if "units" in schema.names else "pieces")
    tokens = sum(len(chunk.flatten()) for chunk in column.chunks)
    least, most = _ROW_GROUP_ROWS
    rows = min(most, max(least, _ROW_GROUP_TOKENS * max(len(table), 1) // max(tokens, 1)))
    write_parquet(path, table.cast(schema), row_group_size=rows)
