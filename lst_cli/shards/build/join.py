"""Finds the rows of one artifact that belong to the rows of another, both in the corpus's order, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lst_cli.artifacts.parquet import open_parquet, parquet_errors
from lst_cli.errors import UserError


def batches(files: Sequence[Path], columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """The rows of Parquet files, ``rows`` at a time, across file borders.

    :raises UserError: a file is damaged or lacks a column.
    """
    held: list[pa.Table] = []
    for path in files:
        with open_parquet(path) as file:
            _check_columns(path, file.schema_arrow.names, columns)
            for batch in file.iter_batches(batch_size=rows, columns=list(columns)):
                held.append(pa.Table.from_batches([batch]))
                table = pa.concat_tables(held)
                while len(table) >= rows:
                    yield table.slice(0, rows)
                    table = table.slice(rows)
                held = [table]
    rest = pa.concat_tables(held) if held else None
    if rest is not None and len(rest):
        yield rest


def _check_columns(path: Path, found: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UserError(
            f"{path}: columns are missing",
            found=", ".join(found),
            expected=", ".join(wanted),
            fix="make the artifact again",
        )


class NumberedRows:
    """Reads rows of Parquet files by number, counted across files: in whole row groups, the last of which is cached."""

    def __init__(self, files: Sequence[Path], columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._groups: list[tuple[Path, int, int]] = []
        """File, row group and first row."""
        self.rows = 0
        for path in files:
            with open_parquet(path) as file:
                _check_columns(path, file.schema_arrow.names, self._columns)
                self._empty = pa.schema([file.schema_arrow.field(name) for name in self._columns]).empty_table()
                for group in range(file.num_row_groups):
                    self._groups.append((path, group, self.rows))
                    self.rows += file.metadata.row_group(group).num_rows
        self._ends = np.array([*(first for _, _, first in self._groups[1:]), self.rows], np.int64)
        self._open: tuple[Path, pq.ParquetFile] | None = None
        self._last: tuple[int, pa.Table] | None = None

    def read(self, start: int, stop: int) -> pa.Table:
        """The rows ``[start, stop)``.

        :raises UserError: a file is damaged.
        """
        found = []
        number = int(np.searchsorted(self._ends, start, side="right"))
        while start < stop:
            first, end = self._groups[number][2], int(self._ends[number])
            found.append(self._group(number).slice(start - first, min(stop, end) - start))
            start, number = end, number + 1
        return pa.concat_tables([self._empty, *found])

    def _group(self, number: int) -> pa.Table:
        if self._last is None or self._last[0] != number:
            path, group, _ = self._groups[number]
            with parquet_errors(path):
                if self._open is None or self._open[0] != path:
                    self._open = path, pq.ParquetFile(path, page_checksum_verification=True)
                table = self._open[1].read_row_group(group, columns=self._columns).select(self._columns)
            self._last = number, table
        return self._last[1]


class Follower:
    """Finds rows by id in files whose ids are in the order of the requests.

    :param name: what to call the files in errors.
    :param columns: columns of :meth:`rows`.
    :raises UserError: there are no rows.
    """

    def __init__(self, name: str, files: Sequence[Path], columns: Sequence[str], rows: int = 4096) -> None:
        self._name = name
        self._reader = NumberedRows(files, columns)
        if not self._reader.rows:
            raise UserError(f"{name}: no rows", fix="rebuild it")
        self._batches = batches(files, ["id"], rows)
        self._ids: list[str] = []
        self._first = 0
        """Number of the first of the ids."""

    def _more(self) -> bool:
        batch = next(self._batches, None)
        if batch is None:
            return False
        self._ids += batch.column("id").to_pylist()
        return True

    def every(self, ids: Sequence[str]) -> list[int]:
        """The row number of each id; rows between them are skipped.

        :raises UserError: an id is missing or out of order.
        """
        found, at = [], 0
        for id in ids:
            while at < len(self._ids) or self._more():
                at += 1
                if self._ids[at - 1] == id:
                    found.append(self._first + at - 1)
                    break
            else:
                raise self._lacks(id)
        self._skip(at)
        return found

    def some(self, ids: Sequence[str]) -> list[int | None]:
        """The row number of each id, None if there is none. Rows of other ids are an error, see :meth:`finish`."""
        found: list[int | None] = []
        at = 0
        for id in ids:
            here = (at < len(self._ids) or self._more()) and self._ids[at] == id
            found.append(self._first + at if here else None)
            at += here
        self._skip(at)
        return found

    def finish(self) -> None:
        """Check that no row is left over after the last :meth:`some`.

        :raises UserError: a row was not requested or is out of order.
        """
        if self._ids or self._more():
            raise self._lacks(self._ids[0])

    def rows(self, numbers: Sequence[int | None]) -> pa.Table:
        """The rows of rising numbers, all null for null numbers."""
        there = [number for number in numbers if number is not None]
        first, stop = (there[0], there[-1] + 1) if there else (0, 0)
        places = [number - first if number is not None else None for number in numbers]
        return self._reader.read(first, stop).take(pa.array(places, pa.int64()))

    def _skip(self, at: int) -> None:
        self._first += at
        del self._ids[:at]

    def _lacks(self, id: str) -> UserError:
        return UserError(
            f"{self._name} and the tokens do not match",
            found=f"{id!r} is in one of them only, or in another order",
            expected="the utterances of one corpus, in its order",
            fix="give the corpus, tokens and alignment that were made from each other",
        )
