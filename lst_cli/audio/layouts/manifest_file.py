"""A table that names audio files: TSV, JSON lines or Parquet, a row an utterance.

Columns: ``path`` (absolute, or relative to the table), and optionally ``id``, ``text``, ``speaker``, ``source``,
``start`` and ``end`` in seconds. Other columns are left alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lst_cli.audio.layouts.listing import Entry, Layout, Listing, one_line, read_document
from lst_cli.errors import UserError

ManifestRows = Iterator[tuple[str, dict[str, Any]]]
"""(where the row stands, its columns)."""

_COLUMNS = "path (needed), id, text, speaker, source, start, end"


def read_manifest(path: Path, with_text: bool) -> Listing:
    """List the rows of a manifest, in their order.

    :raises UserError: the table can't be read, or has no ``path`` column.
    """
    rows = list(_READERS[path.suffix](path))
    columns = {column for _, row in rows for column in row}
    if rows and "path" not in columns:
        raise UserError(
            f"{path}: no column 'path'",
            found=", ".join(sorted(columns)) or "no columns",
            expected=_COLUMNS,
            fix="name the column with the audio files 'path'",
        )
    with_text = with_text and "text" in columns
    return Listing(entries=[_entry(path.parent, where, row, with_text) for where, row in rows], documents=[path])


def _tsv(path: Path) -> ManifestRows:
    lines = read_document(path).splitlines()
    header = lines[0].split("\t") if lines else []
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            cells = line.split("\t")
            if len(cells) != len(header):
                raise UserError(
                    f"{path}, line {number}: the wrong number of columns",
                    found=f"{len(cells)}",
                    expected=f"{len(header)}, as in the first line: {', '.join(header)}",
                    fix="part the columns by single tabs; no cell may hold a tab or a line break",
                )
            yield f"{path}, line {number}", {key: cell or None for key, cell in zip(header, cells, strict=True)}


def json_rows(path: Path) -> ManifestRows:
    """The objects of a file of JSON lines, and where each stands.

    :raises UserError: a line holds something else.
    """
    for number, line in enumerate(read_document(path).splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"{path}, line {number}: not JSON", found=str(error)) from None
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: not a JSON object", found=line[:60])
            yield f"{path}, line {number}", row


def _parquet(path: Path) -> ManifestRows:
    from lst_cli.artifacts.parquet import read_parquet

    for number, row in enumerate(read_parquet(path).to_pylist(), start=1):
        yield f"{path}, row {number}", row


_READERS: Mapping[str, Callable[[Path], ManifestRows]] = {".tsv": _tsv, ".jsonl": json_rows, ".parquet": _parquet}


def _entry(folder: Path, where: str, row: Mapping[str, Any], with_text: bool) -> Entry:
    problems: list[str] = []
    name = row.get("path")
    if not isinstance(name, str) or not Path(name).name:
        problems.append(f"no path (found {name!r}); name the audio file")
        name = where.rpartition(", ")[2]  # an id is needed to list the row among the rejects
    start = _seconds(row, "start", problems)
    end = _seconds(row, "end", problems)
    if end is not None and end <= (start or 0.0):
        problems.append(f"end {end:g} is not after start {start or 0.0:g}; give both in seconds from the file's start")
    text = _string(row, "text")
    if with_text and text is None:
        problems.append("no text; write it, or add the corpus with --no-text")
    return Entry(
        id=_string(row, "id") or _default_id(name, start, end),
        path=folder / name,
        text=text if with_text else None,
        speaker=_string(row, "speaker"),
        source=_string(row, "source"),
        start_s=start or 0.0,
        end_s=end,
        problem=f"{where}: {'; '.join(problems)}" if problems else None,
    )


def _string(row: Mapping[str, Any], column: str) -> str | None:
    value = row.get(column)
    return (one_line(str(value)) or None) if value is not None else None


def _seconds(row: Mapping[str, Any], column: str, problems: list[str]) -> float | None:
    value = row.get(column)
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        problems.append(f"{column} is {value!r}; give seconds, 0 or more")
        return None
    return seconds


def _default_id(name: str, start: float | None, end: float | None) -> str:
    """The path without its suffix, and the milliseconds of a segment."""
    id = Path(name).with_suffix("").as_posix()
    if start is None and end is None:
        return id
    last = "end" if end is None else f"{round(end * 1000):07d}"
    return f"{id}/{round((start or 0.0) * 1000):07d}-{last}"


def is_manifest(source: Path) -> bool:
    """Whether a source is a file with a manifest's suffix."""
    return source.is_file() and source.suffix in _READERS


MANIFEST = Layout(
    name="manifest",
    about="a .tsv, .jsonl or .parquet table with a column path (and id, text, speaker, source, start, end)",
    recognises=is_manifest,
    read=read_manifest,
)
