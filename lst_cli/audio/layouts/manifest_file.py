"""A table that names audio files: TSV, csv, JSON lines or Parquet, a row an utterance. It is read row by row.

Columns: the path (absolute, relative to the table, or a URL), and optionally the text, id, speaker, source, and a
segment in seconds (start or offset, end or duration); ``columns.py`` has the names. Other columns are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lst_cli.audio.layouts.columns import PATH_COLUMNS, Columns, RowReader, find_columns, notes_on
from lst_cli.audio.layouts.listing import CorpusLayout, Entry, Listing, is_there, same_name
from lst_cli.audio.layouts.table_rows import ManifestRows, Row, json_rows, parquet_rows, separated_rows
from lst_cli.errors import UserError
from lst_cli.storage.bucket_path import AnyPath, BucketPath, bucket_path
from lst_cli.storage.remote import is_url

_AUDIO_FOLDERS = (".", "clips", "wavs", "wav", "audio")
"""Where a relative path is looked for, below the table's folder."""

_ROWS_TO_LOOK_AT = 1000


def read_manifest(path: AnyPath, with_text: bool) -> Listing:
    """List the rows of a manifest, in their order.

    :raises UserError: the table can't be read, or has no column with paths.
    """
    return read_table(path, with_text, rows_of(path))


def read_table(path: AnyPath, with_text: bool, rows: Callable[[AnyPath], ManifestRows]) -> Listing:
    """List the rows of a table that ``rows`` reads."""
    first = list(islice(rows(path), _ROWS_TO_LOOK_AT))
    names = list(dict.fromkeys(name for _, row in first if not isinstance(row, str) for name in row))
    columns = find_columns(names)
    if first and not names:
        where, problem = first[0]
        raise UserError(
            f"{where}: {problem or 'no columns'}", fix="none of its first rows can be read: correct the table"
        )
    if names and columns.path is None:
        raise UserError(
            f"{path}: no column 'path'",
            found=", ".join(sorted(map(str, names))),
            expected=f"one of {', '.join(PATH_COLUMNS)}",
            fix="name the column with the audio files 'path'",
        )
    notes = notes_on(path, [str(name) for name in names], columns, with_text)
    folder = _audio_folder(path, columns, first)
    entries = _Entries(path, rows, columns, folder, with_text and columns.text is not None, frozenset(names))
    return Listing(entries=entries, documents=[path], notes=notes)


def _audio_folder(path: AnyPath, columns: Columns, rows: list[tuple[str, Row]]) -> AnyPath:
    """The folder that the paths are relative to: Common Voice has its audio in ``clips``."""
    for _, row in rows[:20]:
        name = None if isinstance(row, str) or columns.path is None else row.get(columns.path)
        if isinstance(name, str) and name and not (Path(name).is_absolute() or is_url(name)) and "\0" not in name:
            for each in _AUDIO_FOLDERS:
                if is_there(path.parent / each / name):
                    return path.parent / each
    return path.parent


@dataclass(frozen=True)
class _Entries:
    """The rows of a manifest, read again by each iteration."""

    path: AnyPath
    rows: Callable[[AnyPath], ManifestRows]
    columns: Columns
    folder: AnyPath
    with_text: bool
    names: frozenset[str]
    """The columns of the rows by which ``columns`` was chosen."""

    def __iter__(self) -> Iterator[Entry]:
        for where, row in self.rows(self.path):
            if isinstance(row, str):
                yield Entry(id=where.rpartition(", ")[2], path=self.path, problem=f"{where}: {row}")
            else:
                yield self._entry(where, row)

    def _entry(self, where: str, row: Mapping[str, Any]) -> Entry:
        reader = RowReader(self.columns, row)
        if not row.keys() <= self.names and (new := set(find_columns(row).read) - set(self.columns.read)):
            reader.problems.append(f"it has {min(new)!r}, which no earlier row has; give it to one of the first rows")
        name = self._path(reader, row) or where.rpartition(", ")[2]  # an id is needed to list it among the rejects
        start, end = reader.segment()
        text = reader.string(self.columns.text) if self.with_text else None
        if self.with_text and text is None:
            reader.problems.append("no text; write it, or add the corpus with --no-text")
        return Entry(
            id=reader.id() or _default_id(name, start, end if reader.states_segment() else None),
            path=self._place(name),
            text=text,
            speaker=reader.string(self.columns.speaker),
            source=reader.string(self.columns.source),
            start_s=start or 0.0,
            end_s=end,
            problem=f"{where}: {'; '.join(reader.problems)}" if reader.problems else None,
        )

    def _path(self, reader: RowReader, row: Mapping[str, Any]) -> str | None:
        name = row.get(self.columns.path) if self.columns.path is not None else None
        if not (isinstance(name, str) and Path(name).name and "\0" not in name):
            reader.problems.append(f"no path (found {str(name)[:60]!r}); name the audio file")
            return None
        try:
            if is_url(name):
                bucket_path(name)
        except UserError as error:
            reader.problems.append(f"{error.what}; {error.fix}")
            return None
        if isinstance(self.folder, BucketPath) and Path(name).is_absolute():
            reader.problems.append(f"the path {name} of a disk in a table in a bucket; write it relative, or as a URL")
        return name

    def _place(self, name: str) -> AnyPath:
        return bucket_path(name, self.folder) if is_url(name) else self.folder / name


def _default_id(name: str, start: float | None, end: float | None) -> str:
    """The path without its suffix, and the milliseconds of a segment."""
    plain = bucket_path(name).with_suffix("").url if is_url(name) else Path(name).with_suffix("").as_posix()
    id = same_name(plain)
    if start is None and end is None:
        return id
    last = "end" if end is None else f"{round(end * 1000):07d}"
    return f"{id}/{round((start or 0.0) * 1000):07d}-{last}"


_READERS: Mapping[str, Callable[[AnyPath], ManifestRows]] = {
    ".tsv": lambda path: separated_rows(path, "\t"),
    ".csv": separated_rows,
    ".jsonl": json_rows,
    ".json": json_rows,
    ".ndjson": json_rows,
    ".parquet": parquet_rows,
}


def _suffix(path: AnyPath) -> str:
    """The suffix in lower case, without that of a packed file."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix == ".gz" else suffix


def rows_of(path: AnyPath) -> Callable[[AnyPath], ManifestRows]:
    """The reader of the rows of a manifest with this suffix."""
    return _READERS[_suffix(path)]


def is_manifest(source: AnyPath) -> bool:
    """Whether a source is a file with a manifest's suffix."""
    return source.is_file() and _suffix(source) in _READERS


MANIFEST = CorpusLayout(
    name="manifest",
    about="a .tsv, .csv, .jsonl or .parquet table with a column of paths (and text, id, speaker, source, start, end)",
    recognises=lambda source, files: is_manifest(source),
    read=read_manifest,
)
