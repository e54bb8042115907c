"""Documents of plain text from files: one a line, one a paragraph, one a row or one a file."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

from lst_cli.checksum import sha256_of
from lst_cli.console import warn
from lst_cli.errors import UserError
from lst_cli.json_text import UTF_16_MARKS, is_text, parse_json

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pyarrow as pa

SplitBy = Literal["line", "paragraph", "file"]

_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_NO_TEXT = frozenset(
    (
        *(".csv", ".tsv", ".xlsx", ".html", ".htm", ".xml", ".pdf", ".doc", ".docx", ".rtf", ".epub", ".yaml", ".yml"),
        *(".zip", ".tar", ".tgz", ".xz", ".7z", ".arrow", ".feather", ".pkl", ".npy", ".npz", ".safetensors"),
    )
)
"""Endings of files that are no plain text: read as such, their markup would be learnt."""


@dataclass(frozen=True)
class TextFile:
    """One input file."""

    path: Path
    name: str
    """Its path below the folder that all inputs share; document ids begin with it."""


@dataclass(frozen=True)
class TextDocument:
    """A document, or why there is none."""

    id: str
    """``FILE:LINE`` (or row, or first line of a paragraph), counted from 1."""
    text: str
    problem: str | None = None
    """Why the document can't be read; ``text`` is empty then."""


def text_files(paths: Sequence[Path]) -> list[TextFile]:
    """Name the input files: by what distinguishes them, so that ids do not depend on their folder.

    :raises UserError: a path is not a file, or given twice.
    """
    if not paths:
        raise UserError("no text files were given", fix="give one or more .txt, .jsonl or .parquet files")
    for path in paths:
        if not path.is_file():
            raise UserError(
                f"{path}: not a file",
                found="a folder" if path.is_dir() else "a pipe or device" if path.exists() else "nothing there",
                expected="text files: .txt, .jsonl, .ndjson, .json or .parquet, plain or .gz, .zst, .bz2",
            )
        if _suffix(path) in _NO_TEXT:
            raise UserError(
                f"{path}: not a file of plain text",
                found=f"a {_suffix(path)} file",
                expected="text files: .txt, .jsonl, .ndjson, .json or .parquet, plain or .gz, .zst, .bz2",
                fix="write its text to one of these; a table becomes .parquet or .jsonl",
            )
    resolved = [path.resolve() for path in paths]
    if len(set(resolved)) < len(resolved):
        twice = next(path for i, path in enumerate(paths) if resolved[i] in resolved[:i])
        raise UserError(f"{twice}: given twice", fix="name each file once")
    shared = os.path.commonpath([path.parent for path in resolved])
    return [TextFile(path, found.relative_to(shared).as_posix()) for path, found in zip(paths, resolved, strict=True)]


def digests(files: Sequence[TextFile]) -> dict[str, str]:
    """sha256 of each file by its name: what makes changed inputs a new version."""
    return {file.name: sha256_of(file.path) for file in files}


def read_documents(files: Sequence[TextFile], split: SplitBy = "line", field: str = "text") -> Iterator[TextDocument]:
    """Documents in order of the files. Empty ones are skipped.

    :param split: ``line``: one document a line; ``paragraph``: lines up to an empty line are one document; ``file``:
        a file is one document. JSON lines and Parquet rows are always separate documents.
    :param field: the JSON key or Parquet column that holds the text.
    :raises UserError: a file is not Parquet or lacks the column.
    """
    for file in files:
        kind = _suffix(file.path)
        if kind == ".parquet":
            yield from _from_parquet(file, field)
        elif kind in _JSON_LINES:
            yield from _from_json_lines(file, field)
        else:
            if _looks_like_json(file):
                warn(f"{file.path}: read as plain text, but its first line is a JSON object; rename it to .jsonl")
            yield from _from_text(file, split)


def is_compressed(path: Path) -> bool:
    """Whether a file's name says that it is compressed."""
    return path.suffix.lower() in _COMPRESSED


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if is_compressed(path) else path).suffix.lower()


def _lines(file: TextFile) -> Iterator[tuple[int, str | None]]:
    """(number from 1, text or None if it is not text) of each line; a byte-order mark is dropped."""
    import pyarrow as pa

    packing = _COMPRESSED.get(file.path.suffix.lower())
    opened = cast("AbstractContextManager[BinaryIO]", pa.input_stream(str(file.path), compression=packing))
    with opened as raw:
        stream = io.BufferedReader(cast("io.RawIOBase", raw), 1 << 20)
        number = 0
        try:
            if stream.peek(2)[:2] in UTF_16_MARKS:
                for number, text in enumerate(io.TextIOWrapper(stream, "utf-16", newline="\n"), 1):
                    yield number, None if "\0" in text else text
                return
            for number, line in enumerate(stream, 1):
                try:
                    yield number, None if b"\0" in line else line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    yield number, None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{file.path}: damaged after line {number}", found=str(error), fix="download or compress the file again"
            ) from None


def _looks_like_json(file: TextFile) -> bool:
    """Whether the first line is a JSON object."""
    _, line = next(_lines(file), (1, None))
    try:
        return isinstance(parse_json(line or ""), dict)
    except ValueError:
        return False


_NOT_UTF8 = "not UTF-8, or with NUL characters; convert the file with 'iconv -t UTF-8'"


def _from_text(file: TextFile, split: SplitBy) -> Iterator[TextDocument]:
    held: list[str] = []
    start, problem = 1, False
    for number, line in _lines(file):
        if line is None and split == "line":
            yield TextDocument(f"{file.name}:{number}", "", _NOT_UTF8)
            continue
        words = (line or "").split()
        problem |= line is None
        if not held:
            start = number
        if words:
            held.append(" ".join(words))
        ended = split == "line" or (split == "paragraph" and not words and line is not None)
        if ended and (held or problem):
            yield _joined(f"{file.name}:{start}", held, problem)
            held, problem = [], False
    if held or problem:
        yield _joined(f"{file.name}:{start}", held, problem)


def _joined(id: str, held: list[str], problem: bool) -> TextDocument:
    return TextDocument(id, "", _NOT_UTF8) if problem else TextDocument(id, " ".join(held))


def _from_json_lines(file: TextFile, field: str) -> Iterator[TextDocument]:
    for number, line in _lines(file):
        id = f"{file.name}:{number}"
        if line is None:
            yield TextDocument(id, "", _NOT_UTF8)
        elif line.strip():
            yield _from_json(id, line, field)


def _from_json(id: str, line: str, field: str) -> TextDocument:
    try:
        row = parse_json(line)
    except ValueError as error:
        return TextDocument(id, "", f"not JSON: {error}")
    value = row.get(field) if isinstance(row, dict) else None
    if not isinstance(value, str):
        return TextDocument(id, "", f"no text under the key {field!r}")
    if not is_text(value):
        return TextDocument(id, "", "half of a surrogate pair (\\ud800 to \\udfff), which is not text")
    return TextDocument(id, value)


def _from_parquet(file: TextFile, field: str) -> Iterator[TextDocument]:
    import pyarrow.parquet as pq

    from lst_cli.artifacts.parquet import parquet_errors

    with parquet_errors(file.path, foreign=True):
        table = pq.ParquetFile(file.path, page_checksum_verification=True)
        names: list[str] = table.schema_arrow.names
        if field not in names:
            raise UserError(
                f"{file.path}: no column {field!r}", found=", ".join(names), fix="name the column with --field"
            )
        if names.count(field) > 1:
            raise UserError(f"{file.path}: several columns {field!r}", fix="rename all but one of them")
        number = 0
        for batch in table.iter_batches(columns=[field]):
            for value in _values(batch.column(0)):
                number += 1
                id = f"{file.name}:{number}"
                if isinstance(value, str):
                    yield TextDocument(id, value)
                elif isinstance(value, bytes):
                    yield TextDocument(id, "", _NOT_UTF8)
                else:
                    yield TextDocument(id, "", f"no text in the column {field!r}")


def _values(column: pa.Array) -> Iterator[Any]:
    """The values of a column; bytes for text that is not UTF-8, None for what is neither text nor bytes."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(is_kind(column.type) for is_kind in (*kinds, pa.types.is_binary, pa.types.is_large_binary)):
        yield from [None] * len(column)
        return
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:
        views = {pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
        values = column.view(views.get(column.type, pa.binary())).to_pylist()
    for value in values:
        try:
            yield value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            yield value
