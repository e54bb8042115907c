"""A global shuffle of any number of rows in bounded memory, which resumes after a crash.

Every row gets a random key. Rows come in chunks; a chunk's rows are sorted by key, cut at the borders of as many
buckets as there will be shards, and written to one file. A shard is then the same bucket of all chunks, sorted by key.
So memory holds one chunk or one shard, and the result depends on the seed and the rows only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lst_cli.artifacts.parquet import atomic_path
from lst_cli.hashing import uniform
from lst_cli.shards.documents.draws import Draw

_KEY = "key"
_NOTES = b"lst_notes"


class Shuffle:
    """Shuffled buckets of rows, in files below ``folder``.

    :param buckets: number of shards to be.
    """

    def __init__(self, folder: Path, buckets: int, seed: int) -> None:
        self._folder = folder
        self._buckets = buckets
        self._seed = seed

    def _path(self, chunk: int) -> Path:
        return self._folder / f"chunk-{chunk:06d}.arrow"

    def has(self, chunk: int) -> bool:
        """Whether a chunk has been added, perhaps before a crash."""
        return self._path(chunk).is_file()

    def add(self, chunk: int, table: pa.Table, first_row: int, notes: dict[str, Any]) -> None:
        """Add a chunk of rows, the first of which is number ``first_row`` of all, with notes in JSON."""
        key = uniform(self._seed, Draw.SHUFFLE, np.arange(first_row, first_row + len(table)))
        order = np.argsort(key, kind="stable")
        table = table.append_column(_KEY, pa.array(key)).take(pa.array(order)).combine_chunks()
        table = table.replace_schema_metadata({_NOTES: json.dumps(notes)})
        borders = np.searchsorted(key[order] * self._buckets, np.arange(self._buckets + 1))
        with (
            atomic_path(self._path(chunk)) as temporary,
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_file(sink, table.schema) as writer,
        ):
            for start, end in pairwise(borders):
                bucket = table.slice(start, end - start).combine_chunks()
                batches = bucket.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
                writer.write_batch(batches[0])

    def notes(self, chunks: int) -> Iterator[dict[str, Any]]:
        """The notes of each chunk."""
        for chunk in range(chunks):
            with pa.OSFile(str(self._path(chunk))) as source:
                yield json.loads(pa.ipc.open_file(source).schema.metadata[_NOTES])

    def bucket(self, bucket: int, chunks: int) -> pa.Table:
        """The rows of a bucket, in shuffled order."""
        parts = []
        for chunk in range(chunks):
            with pa.OSFile(str(self._path(chunk))) as source:
                batch = pa.ipc.open_file(source).get_batch(bucket)
                parts.append(pa.Table.from_batches([batch]).replace_schema_metadata(None))
        table = pa.concat_tables(parts)
        order = np.argsort(table.column(_KEY).to_numpy(), kind="stable")
        return table.take(pa.array(order)).drop_columns([_KEY]).combine_chunks()
