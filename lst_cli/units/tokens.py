"""The tokens artifact: the units of every utterance, in the order of the corpus.

``tokens-00000.parquet`` and on: ``id`` (string) and ``units`` (list of uint16, 25 a second; the frame rule is in
:mod:`lst_cli.units.frames`). Utterances that could not be read are in ``rejects.parquet``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Kind

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

TOKENS = Kind("tokens", 1)

UNITS_PER_FILE = 1 << 25
"""A file is closed when it holds this many units: 373 hours, 64 MiB before compression."""


def tokens_schema() -> pa.Schema:
    """The columns of ``tokens-*.parquet`` (schema 1)."""
    import pyarrow as pa

    return pa.schema([("id", pa.string()), ("units", pa.list_(pa.uint16()))])


class TokensWriter:
    """Writes tables of :func:`tokens_schema` one after the other into files of bounded size.

    What the files hold depends on the rows alone, not on how they were divided into tables.
    """

    def __init__(self, folder: Path, units_per_file: int = UNITS_PER_FILE) -> None:
        self._folder = folder
        self._limit = units_per_file
        self._waiting: list[pa.Table] = []
        self._units = 0
        self._files = 0

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        import numpy as np
        import pyarrow.compute as pc

        ends = np.cumsum(pc.list_value_length(table["units"]).to_numpy(), dtype=np.int64)
        start = 0
        while start < len(ends):
            before = int(ends[start - 1]) if start else 0
            # The row that reaches the limit closes the file.
            stop = min(int(np.searchsorted(ends, before + self._limit - self._units)) + 1, len(ends))
            self._waiting.append(table.slice(start, stop - start))
            self._units += int(ends[stop - 1]) - before
            start = stop
            if self._units >= self._limit:
                self._flush()

    def close(self) -> None:
        """Write the remaining rows."""
        if self._waiting or not self._files:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        from lst_cli.artifacts.parquet import write_parquet

        table = pa.concat_tables([tokens_schema().empty_table(), *self._waiting]).combine_chunks()
        write_parquet(self._folder / f"tokens-{self._files:05d}.parquet", table)
        self._waiting, self._units, self._files = [], 0, self._files + 1


class Tokens:
    """Reads a tokens artifact, file by file.

    :raises UserError: a file is missing or damaged.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.files = artifact.data_files("tokens-*.parquet")

    def tables(self) -> Iterator[pa.Table]:
        """The table of each file, in order."""
        from lst_cli.artifacts.parquet import read_parquet

        for file in self.files:
            yield read_parquet(file, schema=tokens_schema(), required=("id", "units"))

    def __iter__(self) -> Iterator[tuple[str, NDArray[np.uint16]]]:
        """Id and units of every utterance, in the order of the corpus."""
        import numpy as np

        for table in self.tables():
            for batch in table.to_batches():
                lists = batch.column("units")
                units, offsets = lists.values.to_numpy(), lists.offsets.to_numpy()
                for id, start, stop in zip(batch.column("id").to_pylist(), offsets[:-1], offsets[1:], strict=True):
                    yield id, units[start:stop].astype(np.uint16, copy=False)
