"""Building shards of either modality: chunks in, shuffled shards out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from lst_cli.artifacts import Draft
from lst_cli.artifacts.parquet import write_parquet
from lst_cli.console import progress
from lst_cli.shards.build.shard_statistics import Counts, add_up
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


def shuffled_shards(
    draft: Draft,
    chunks: Iterator[pa.Table],
    prepare: Callable[[pa.Table], Prepared],
    *,
    schema: pa.Schema,
    info: ShardInfo,
    input_bytes: int,
    options: BuildOptions,
) -> Counts:
    """Turn chunks of input rows into shards; returns the sums over all rows.

    Chunks and shards that were finished before a crash are kept.

    :param prepare: makes shard rows of a chunk; not called for a chunk that is finished.
    :param input_bytes: size of the input, for the number of shards.
    :raises UserError: too many inputs are rejected.
    """
    buckets = max(1, -(-input_bytes // (options.shard_mb << 20)))
    shuffle = Shuffle(draft.parts, buckets, options.seed)
    rows = n_chunks = 0
    with progress("preparing rows", unit="rows") as bar:
        for chunk in chunks:
            if not shuffle.has(n_chunks):
                table, counts, rejects = prepare(chunk)
                notes: dict[str, Any] = {"counts": counts, "rejects": rejects}
                shuffle.add(n_chunks, table.select(schema.names), rows, notes)
            rows += len(chunk)
            n_chunks += 1
            bar.advance(len(chunk))
    notes_of_chunks = list(shuffle.notes(n_chunks))
    for notes in notes_of_chunks:
        for id, reason in notes["rejects"]:
            draft.reject(id, reason)
    draft.check_rejects(rows, options.max_reject_rate)
    finished = []
    with progress("writing shards", total=buckets, unit="shards") as bar:
        for bucket in range(buckets):
            path = draft.parts / f"shard-{bucket:05d}.parquet"
            if not path.is_file():
                _write_shard(path, shuffle.bucket(bucket, n_chunks), with_info(schema, info))
            finished.append(path)
            bar.advance()
    for path in finished:
        path.replace(draft.path / path.name)
    return add_up(notes["counts"] for notes in notes_of_chunks)


def _write_shard(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    """Write a shard in row groups of about a million tokens."""
    column = table.column("units" if "units" in schema.names else "pieces")
    tokens = sum(len(chunk.flatten()) for chunk in column.chunks)
    least, most = _ROW_GROUP_ROWS
    rows = min(most, max(least, _ROW_GROUP_TOKENS * max(len(table), 1) // max(tokens, 1)))
    write_parquet(path, table.cast(schema), row_group_size=rows)
