"""ManifestRows of TSV, csv, JSON and Parquet tables, read one by one; a row that can't be read is one bad row.

Lines end at a line feed only. A csv file follows the rules of csv. In a TSV quotes are literal, unless a csv writer
must have written a cell: it starts and ends with a quote, and every quote inside is doubled, as pandas does it.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from lst_cli.audio.formats.open_audio import regular_file
from lst_cli.audio.layouts.columns import repeated_column
from lst_cli.audio.layouts.listing import NotUtf8, decode_text
from lst_cli.errors import UserError
from lst_cli.json_text import UTF_16_MARKS, parse_json
from lst_cli.storage.bucket_path import AnyPath

Row = dict[str, Any] | str
"""The columns of a row, or why there are none."""

ManifestRows = Iterator[tuple[str, Row]]
"""(where the row stands, the row)."""

_DELIMITERS = (",", "\t", ";", "|")

_CSV_CELL = re.compile(r'"((?:[^"]|"")*)"')

_LONGEST_RECORD = 50
"""Lines that a quoted cell may run over."""

_ROWS_TO_LOOK_AT = 20
"""A table is recognised by the first of these that can be read."""


def first_object(rows: ManifestRows) -> dict[str, Any]:
    """The first row that can be read, of some at the beginning; empty if none can."""
    return next((row for _, row in islice(rows, _ROWS_TO_LOOK_AT) if not isinstance(row, str)), {})


@contextmanager
def open_table(path: AnyPath) -> Iterator[BinaryIO]:
    """A file, unpacked where it is a ``.gz``.

    :raises UserError: it is missing, no regular file, or no whole gzip file.
    """
    try:
        if isinstance(path, Path):
            regular_file(path)
        with path.open("rb") as stream:
            yield cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if path.suffix.lower() == ".gz" else stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a whole gzip file", found=str(error), fix="copy it again") from None
    except OSError as error:
        raise UserError(f"{path}: the file can't be read", found=str(error.strerror or error)) from None


def _lines(stream: BinaryIO, where: str) -> Iterator[str | NotUtf8]:
    """Lines without their ends; one that is not UTF-8 comes as the error."""
    head = stream.read(2)
    if head in UTF_16_MARKS:
        try:
            text = decode_text(head + stream.read(), where)
        except NotUtf8 as error:
            raise UserError(str(error)) from None
        yield from (line.rstrip("\r") for line in text.split("\n"))
        return
    # The first two bytes may hold the ends of empty lines.
    first = head if head.endswith(b"\n") else head + stream.readline()
    if b"\r" in first.rstrip(b"\r\n"):
        raise UserError(
            f"{where}: its lines end in carriage returns alone", fix="convert it with: tr '\\r' '\\n' < FILE"
        )
    for data in chain(first.splitlines(keepends=True) if first.startswith(b"\n") else [first], stream):
        yield _decoded(data, where)


def _decoded(data: bytes, where: str) -> str | NotUtf8:
    try:
        return decode_text(data.rstrip(b"\r\n"), where)
    except NotUtf8 as error:
        return error


def json_rows(path: AnyPath) -> ManifestRows:
    """The objects of a file of JSON lines, or of a JSON array.

    :raises UserError: the file can't be read.
    """
    with open_table(path) as stream:
        for number, line in enumerate(_lines(stream, str(path)), start=1):
            where = f"{path}, line {number}"
            if isinstance(line, NotUtf8):
                yield where, line.reason
            elif number == 1 and line.lstrip().startswith("["):
                yield from _array(path, line, stream)
                return
            elif line.strip():
                yield where, _object(line)


def _array(path: AnyPath, line: str, stream: BinaryIO) -> ManifestRows:
    try:
        rows = parse_json(line + "\n" + decode_text(stream.read(), str(path)))
    except (ValueError, NotUtf8):
        rows = []
    if not any(isinstance(row, dict) for row in rows):
        yield f"{path}, line 1", "not a JSON object; give one on each line"
        return
    for number, row in enumerate(rows, start=1):
        yield f"{path}, item {number}", row if isinstance(row, dict) else f"not a JSON object: {str(row)[:60]}"


def _object(line: str) -> Row:
    try:
        row = parse_json(line)
    except ValueError as error:
        return f"not JSON ({error})"
    return row if isinstance(row, dict) else f"not a JSON object: {line[:60]}"


def separated_rows(path: AnyPath, delimiter: str | None = None, header: list[str] | None = None) -> ManifestRows:
    """The rows of a TSV or csv file; its first line names the columns unless ``header`` does.

    :param delimiter: None to take the one that the first line has most of.
    :raises UserError: the file can't be read.
    """
    with open_table(path) as stream:
        lines = deque[tuple[int, str | NotUtf8]]()
        source = enumerate(_lines(stream, str(path)), start=1)
        first = next(source, None)
        if first is None or isinstance(first[1], NotUtf8):
            if first is not None:
                raise UserError(str(first[1]))
            return
        if header is None:
            delimiter = delimiter or max(_DELIMITERS, key=first[1].count)
            try:
                header = [cell.strip() for cell in next(csv.reader([first[1]], delimiter=delimiter), [])]
            except csv.Error as error:
                raise UserError(f"{path}, line 1: no column names", found=str(error)) from None
        else:
            lines.append(first)
        if twice := repeated_column(header):
            raise UserError(f"{path}, line 1: two columns {twice!r}", fix="rename one of them")
        reader = _Records(source, lines, delimiter or ",", header, quoted=delimiter != "\t" or first[1][:1] == '"')
        for number, record in reader:
            row = (
                record if isinstance(record, str) else dict(zip(header, (cell or None for cell in record), strict=True))
            )
            yield f"{path}, line {number}", row


class _Records:
    """Puts lines together to records. A quote that never ends costs its own line, not the rest of the file.

    :param quoted: every cell follows the rules of csv; otherwise only one that a csv writer must have written.
    """

    def __init__(
        self,
        source: Iterator[tuple[int, str | NotUtf8]],
        waiting: deque[tuple[int, str | NotUtf8]],
        delimiter: str,
        header: list[str],
        *,
        quoted: bool,
    ) -> None:
        self._source = source
        self._waiting = waiting
        self._delimiter = delimiter
        self._header = header
        self._quoted = quoted

    def __iter__(self) -> Iterator[tuple[int, list[str] | str]]:
        while (each := self._next()) is not None:
            number, line = each
            if isinstance(line, NotUtf8):
                yield number, line.reason
            elif line.strip():
                yield number, self._record(line)

    def _next(self) -> tuple[int, str | NotUtf8] | None:
        return self._waiting.popleft() if self._waiting else next(self._source, None)

    def _record(self, line: str) -> list[str] | str:
        width = len(self._header)
        cells = self._parse(line) if self._quoted else line.split(self._delimiter)
        if cells is not None and len(cells) == width:
            if self._quoted:
                return cells
            if not _opens_quote(cells):
                return [_unquoted(cell) for cell in cells]
        joined = self._join(line) if '"' in line else None
        if joined is not None:
            return joined
        # By the rules of csv a stray quote is an error; it is read as the character it is.
        plain = line.split(self._delimiter)
        if len(plain) == width:
            return [_unquoted(cell) for cell in plain]
        names = ", ".join(self._header)
        return f"the wrong number of columns ({len(plain)}, and {width} in the first line: {names})"

    def _parse(self, text: str) -> list[str] | None:
        """The one csv record that a text is; None if it is none, or not complete."""
        if text.count('"') % 2:
            return None
        try:
            records = list(csv.reader([text], delimiter=self._delimiter, strict=True))
        except csv.Error:
            return None
        return records[0] if len(records) == 1 else None

    def _join(self, line: str) -> list[str] | None:
        """The record that begins with a line and runs over the following ones; None if there is none."""
        text, taken = line, list[tuple[int, str | NotUtf8]]()
        while True:
            cells = self._parse(text)
            if cells is not None and len(cells) == len(self._header):
                return cells
            following = self._next() if len(taken) < _LONGEST_RECORD else None
            if following is not None:
                taken.append(following)
            whole_row = following is not None and isinstance(following[1], str) and self._is_row(following[1])
            if following is None or isinstance(following[1], NotUtf8) or whole_row:
                self._waiting.extendleft(reversed(taken))
                return None
            text += "\n" + following[1]

    def _is_row(self, line: str) -> bool:
        """Whether a line is a record by itself, so that an open quote before it is a stray one."""
        cells = self._parse(line)
        return cells is not None and len(cells) == len(self._header) > 1


def _opens_quote(cells: list[str]) -> bool:
    """Whether a cell of a TSV begins with a quote that may end in a later line."""
    return any(cell.startswith('"') and cell.count('"') % 2 for cell in cells)


def _unquoted(cell: str) -> str:
    """A cell of a TSV without the quotes of a csv writer, who quotes only cells that hold quotes."""
    found = _CSV_CELL.fullmatch(cell)
    return found[1].replace('""', '"') if found is not None and '""' in found[1] else cell


def parquet_batches(path: AnyPath, columns: list[str] | None = None) -> Iterator[Row]:
    """The rows of a Parquet file, or of some of its columns; in a batch with bytes that are not UTF-8 each is bad.

    :raises UserError: the file is missing or damaged.
    """
    import pyarrow as pa

    from lst_cli.artifacts.parquet import open_parquet

    with open_parquet(path, foreign=True) as file:
        if twice := repeated_column(columns or file.schema_arrow.names):
            raise UserError(f"{path}: two columns {twice!r}", fix="rename one of them")
        for batch in file.iter_batches(4096, columns=columns):
            try:
                rows: list[Row] = batch.to_pylist()
            except (UnicodeDecodeError, pa.ArrowException, ValueError, OverflowError) as error:
                rows = [f"can't be read ({error})"] * batch.num_rows
            yield from rows


def parquet_rows(path: AnyPath) -> ManifestRows:
    """The rows of a Parquet file, and where each stands.

    :raises UserError: the file is missing or damaged.
    """
    for number, row in enumerate(parquet_batches(path), start=1):
        yield f"{path}, row {number}", row
