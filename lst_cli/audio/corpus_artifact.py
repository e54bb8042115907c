"""The corpus artifact: which utterances there are, the position of their samples, and their transcripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lst_cli.artifacts import Artifact, Kind
from lst_cli.errors import UserError
from lst_cli.storage.bucket_path import AnyPath, BucketPath
from lst_cli.storage.remote import ObjectFacts, is_url

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

CORPUS = Kind("corpus", 1)
UTTERANCES = "utterances.parquet"

_BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance: a stretch of samples in an audio file."""

    id: str
    """Unique in its corpus."""
    path: AnyPath
    """The audio file, on a disk or in a bucket."""
    offset: int
    """First sample, at the file's own rate."""
    samples: int
    """Number of samples, at the file's own rate."""
    sample_rate: int
    """The file's rate in Hz."""
    speaker: str | None
    source: str
    """The data set it comes from; the corpus's name unless the input said otherwise."""
    text: str | None
    """The transcript; None in a corpus without transcripts."""
    channel: int | None = None
    """The one channel to read; None for the mean of all."""
    gain: float = 1.0
    """Factor that brings the samples to a full scale of 1."""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.samples / self.sample_rate

    @property
    def mending(self) -> dict[str, Any]:
        """How its samples differ from the plain mean of the channels: arguments of ``read_samples``."""
        return {} if self.channel is None and self.gain == 1.0 else {"channel": self.channel, "gain": self.gain}


class AudioSegment(NamedTuple):
    """The position of an utterance's samples, and how to read them: these columns of the corpus have the same names."""

    path: str
    """Absolute, relative to the artifact's folder, or a URL."""
    offset: int
    samples: int
    sample_rate: int
    channel: int | None = None
    gain: float = 1.0
    bytes: int | None = None
    """Of a file in a bucket, its size."""
    stamp: str | None = None
    """Of a file in a bucket, its ETag, or what else changes when it is written again."""


def utterance_schema() -> pa.Schema:
    """The columns of ``utterances.parquet`` (schema 1)."""
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("path", pa.string()),
            ("offset", pa.int64()),
            ("samples", pa.int64()),
            ("sample_rate", pa.int32()),
            ("speaker", pa.string()),
            ("source", pa.string()),
            ("text", pa.string()),
            ("channel", pa.int32()),
            ("gain", pa.float64()),
            ("bytes", pa.int64()),
            ("stamp", pa.string()),
        ]
    )


_LATER_COLUMNS = {"channel": None, "gain": 1.0, "bytes": None, "stamp": None}
"""Columns that older corpora do not have, and what their absence means."""


def write_utterances(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write ``utterances.parquet`` into a draft's folder, with a few thousand rows in memory at a time.

    :param rows: dicts with the columns of :func:`utterance_schema`; ``path`` absolute, or relative to ``folder``.
        A missing ``channel`` or ``gain`` means the mean of all channels, at the scale of the file; ``bytes`` and
        ``stamp`` are those of a file in a bucket.
    """
    import pyarrow as pa

    from lst_cli.artifacts.parquet import write_row_groups

    schema = utterance_schema()

    def groups() -> Iterator[pa.Table]:
        waiting = iter(rows)
        while batch := list(islice(waiting, _BATCH_ROWS)):
            yield pa.Table.from_pylist([{**_LATER_COLUMNS, **row} for row in batch], schema=schema)

    write_row_groups(folder / UTTERANCES, schema, groups())


def _with_later_columns(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lst_cli.artifacts.parquet import parquet_errors, read_parquet

    schema = utterance_schema()
    with parquet_errors(path):
        present = set(pq.read_schema(path).names)
    absent = [name for name in _LATER_COLUMNS if name not in present]
    stored = pa.schema([field for field in schema if field.name not in absent])
    table = read_parquet(path, schema=stored, required=("id", "path", "offset", "samples", "sample_rate", "source"))
    for name in absent:
        value = pa.scalar(_LATER_COLUMNS[name], schema.field(name).type)
        table = table.append_column(schema.field(name), pa.repeat(value, len(table)))
    return table


class Corpus:
    """Reads a corpus artifact. Utterances come in the corpus's own order.

    :raises UserError: the artifact's table is missing, damaged or lacks a column.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.table: pa.Table = _with_later_columns(artifact.file(UTTERANCES))
        self._check_numbers()

    def _check_numbers(self) -> None:
        import pyarrow.compute as pc

        for name, least in (("offset", 0), ("samples", 1), ("sample_rate", 1)):
            found = pc.min(self.table[name]).as_py()
            if found is not None and found < least:
                raise UserError(
                    f"{self.artifact.reference}: the column {name}",
                    found=str(found),
                    expected=f"{least} or more",
                    fix="make the corpus again",
                )

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Utterance]:
        return self.rows(0, len(self))

    def rows(self, start: int, stop: int) -> Iterator[Utterance]:
        """The utterances of rows ``[start, stop)``, in order."""
        for batch in self.table.slice(start, stop - start).to_batches(max_chunksize=_BATCH_ROWS):
            for row in batch.to_pylist():
                yield self._utterance(row)

    def __getitem__(self, index: int) -> Utterance:
        return self._utterance(self.table.slice(range(len(self))[index], 1).to_pylist()[0])

    def _utterance(self, row: dict[str, Any]) -> Utterance:
        size, stamp = row.pop("bytes"), row.pop("stamp")
        if is_url(row["path"]):
            row["path"] = BucketPath(row["path"], ObjectFacts(size or 0, stamp or ""))
        else:
            row["path"] = self.artifact.path / row["path"]  # an absolute path stays as it is
        return Utterance(**row)

    @property
    def ids(self) -> list[str]:
        """Every id, in order."""
        return list(self.table.column("id").to_pylist())

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Duration of every utterance in seconds, in order."""
        samples: NDArray[np.int64] = self.table.column("samples").to_numpy()
        rates: NDArray[np.int32] = self.table.column("sample_rate").to_numpy()
        return samples / rates

    @cached_property
    def _row_of_id(self) -> dict[str, int]:
        return {id: row for row, id in enumerate(self.ids)}

    def __contains__(self, id: object) -> bool:
        return id in self._row_of_id

    def find(self, id: str) -> Utterance:
        """The utterance with this id.

        :raises UserError: the corpus has no such utterance.
        """
        row = self._row_of_id.get(id)
        if row is None:
            raise UserError(
                f"{self.artifact.reference}: no utterance {id!r}",
                found=f"{len(self):,} utterances, the first {self.ids[0]!r}" if len(self) else "an empty corpus",
                fix=f"see 'lst corpus show {self.artifact.reference}' for what was rejected and why",
            )
        return self[row]
