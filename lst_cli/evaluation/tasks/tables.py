"""_Rows of benchmark files, with their lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults, read_utf8
from lst_cli.json_text import is_text, parse_json

_Rows = Iterator[tuple[int, list[str]]]
"""Each row that is not blank, with its (last) line."""


def read_table(path: Path, faults: Faults) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a CSV or TSV file, and each row that is not blank with its (last) line.

    A file whose first line has a tab is TSV: quotation marks are literal there. _Rows with more cells
    than the header has columns are noted as faults.

    :raises UserError: the file can't be read, or is not well-formed CSV.
    """
    text = read_utf8(path)
    first = text.split("\n", 1)[0]
    # A TSV whose first cell is quoted was written by a csv writer.
    separator = "\t" if "\t" in first else ","
    rows = _tsv(text) if separator == "\t" and first[0] != '"' else _csv(text, path, faults, separator)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    plain = [re.sub(r"[\s_]", "", name).lower() for name in header if name]
    if len(set(plain)) < len(plain):
        twice = next(name for name in plain if plain.count(name) > 1)
        raise UserError(f"{path}: two columns {twice!r}", found=", ".join(header), fix="rename one of them")
    kept = []
    for line, row in rows:
        if any(cell.strip() for cell in row[len(header) :]):
            faults.add(line, f"{len(row)} cells under {len(header)} columns")
        else:
            kept.append((line, row))
    return header, kept


def _tsv(text: str) -> _Rows:
    for line, row in enumerate(text.split("\n"), start=1):
        if row.strip():
            yield line, [_unquoted(cell) for cell in row.rstrip("\r").split("\t")]


def _unquoted(cell: str) -> str:
    """A cell unchanged, unless it is certainly CSV-quoted: in quotes, with every quote inside doubled."""
    inside = cell[1:-1]
    quoted = len(cell) > 3 and cell[0] == cell[-1] == '"' and '"' in inside and '"' not in inside.replace('""', "")
    return inside.replace('""', '"') if quoted else cell


def _csv(text: str, path: Path, faults: Faults, separator: str) -> _Rows:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    columns = 0
    try:
        for row in reader:
            columns = columns or len(row)
            swallowed = [cell for cell in row if "\n" in cell and cell.count(separator) >= columns - 1 > 0]
            if swallowed:
                faults.add(reader.line_num, f"a quoted cell holds whole rows, from {swallowed[0][:30]!r}: unclosed?")
            elif any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise UserError(
            f"{path}: not well-formed CSV",
            found=f"line {reader.line_num}: {error}",
            expected="one item per row; cells with commas or quotation marks in double quotes, doubled inside",
            fix="write it with a CSV library, or with tabs between the cells",
        ) from error


def read_jsonl(path: Path, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each JSON object of a file with its line; lines that hold none are noted as faults.

    :raises UserError: the file can't be read, or is a single JSON document.
    """
    text = read_utf8(path)
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = parse_json(content)
        except ValueError as error:
            if not faults.found:
                _check_lines(path, text)
            faults.add(line, f"not JSON ({error})")
            continue
        if not isinstance(row, dict):
            _check_lines(path, text)
            faults.add(line, "not a JSON object")
        elif "\\u" in content and not is_text(row):
            faults.add(line, "half of a surrogate pair (\\ud800 to \\udfff), which is not text")
        else:
            yield line, row


def _check_lines(path: Path, text: str) -> None:
    """Refuse a JSON document that was meant as JSON lines, with one message instead of one a line."""
    try:
        data = parse_json(text)
    except ValueError:
        return
    raise UserError(
        f"{path}: one JSON document, not JSON lines",
        found="an array" if isinstance(data, list) else type(data).__name__,
        expected="a JSON object in every line",
        fix=f"jq -c '.[]' {path.name} > {path.stem}.jsonl",
    )
