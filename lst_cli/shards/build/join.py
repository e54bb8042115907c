"""Reads the rows of one artifact that belong to the rows of another, both in the corpus's order, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from lst_cli.artifacts.parquet import open_parquet
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


class Follower:
    """Finds rows by id in files whose ids come in the same order as those asked for.

    :param name: what to call the files in errors.
    :param columns: columns to read; ``id`` is read in any case.
    """

    def __init__(self, name: str, files: Sequence[Path], columns: Sequence[str], rows: int = 4096) -> None:
        self._name = name
        self._batches = batches(files, ["id", *columns], rows)
        self._table: pa.Table | None = None
        self._ids: list[str] = []

    def _more(self) -> bool:
        batch = next(self._batches, None)
        if batch is None:
            return False
        self._table = batch if self._table is None else pa.concat_tables([self._table, batch])
        self._ids += batch.column("id").to_pylist()
        return True

    def every(self, ids: Sequence[str]) -> pa.Table:
        """The row of each id; rows between them are skipped.

        :raises UserError: an id is missing, or stands in another order.
        """
        found, at = [], 0
        for id in ids:
            while at < len(self._ids) or self._more():
                at += 1
                if self._ids[at - 1] == id:
                    found.append(at - 1)
                    break
            else:
                raise self._lacks(id)
        return self._taken(found, at)

    def some(self, ids: Sequence[str]) -> pa.Table:
        """The row of each id, all null where there is none. Rows of other ids are an error, see :meth:`finish`."""
        found: list[int | None] = []
        at = 0
        for id in ids:
            here = (at < len(self._ids) or self._more()) and self._ids[at] == id
            found.append(at if here else None)
            at += here
        return self._taken(found, at)

    def finish(self) -> None:
        """Check that no row is left over after the last :meth:`some`.

        :raises UserError: a row belongs to no id that was asked for, or stood in another order.
        """
        if self._ids or self._more():
            raise self._lacks(self._ids[0])

    def _taken(self, found: Sequence[int | None], at: int) -> pa.Table:
        if self._table is None:
            self._more()
        if self._table is None:
            raise UserError(f"{self._name}: no rows", fix="rebuild it")
        rows = self._table.take(pa.array(found, pa.int64()))
        self._table = self._table.slice(at)
        del self._ids[:at]
        return rows

    def _lacks(self, id: str) -> UserError:
        return UserError(
            f"{self._name} and the tokens do not belong together",
            found=f"{id!r} is in one of them only, or in another order",
            expected="the utterances of one corpus, in its order",
            fix="give the corpus, tokens and alignment that were made from each other",
        )
