"""Hugging Face audio data sets: Parquet files that hold the encoded audio itself (People's Speech, and most others)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.audio.layouts.listing import Entry, Layout, Listing, files_below, one_line
from lst_cli.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

AUDIO_COLUMN = "audio"
_TEXT_COLUMNS = ("text", "transcript", "transcription", "sentence", "normalized_text")
_SPEAKER_COLUMNS = ("speaker", "speaker_id", "client_id")
_ID_COLUMNS = ("id", "utterance_id", "file_id")


def read_embedded(source: Path, with_text: bool) -> Listing:
    """List the rows of one Parquet file, or of all below a folder, in order of file name and row.

    :raises UserError: a file is damaged, has no audio column, or no text column where text is wanted.
    """
    files = _parquet_files(source)
    entries = [entry for path in files for entry in _file(path, source, with_text)]
    return Listing(entries=entries, documents=files)


def _parquet_files(source: Path) -> list[Path]:
    return [source] if source.is_file() else [path for path in files_below(source) if path.suffix == ".parquet"]


def _schema(path: Path) -> pa.Schema:
    import pyarrow.parquet as pq

    from lst_cli.artifacts.parquet import parquet_errors

    with parquet_errors(path):
        return pq.read_schema(path)


def _file(path: Path, source: Path, with_text: bool) -> list[Entry]:
    import pyarrow.parquet as pq

    from lst_cli.artifacts.parquet import parquet_errors

    schema = _schema(path)
    text = _first(_TEXT_COLUMNS, schema.names)
    if not _has_audio(schema) or (with_text and text is None):
        raise UserError(
            f"{path}: not a data set with audio{' and text' if with_text else ''}",
            found=f"columns {', '.join(schema.names)}",
            expected=f"a column '{AUDIO_COLUMN}' of bytes and path, and one of {', '.join(_TEXT_COLUMNS)}",
            fix="name the columns so, or add the corpus with --no-text",
        )
    columns = {"text": text, "speaker": _first(_SPEAKER_COLUMNS, schema.names), "id": _first(_ID_COLUMNS, schema.names)}
    wanted = [name for name in columns.values() if name is not None]
    with parquet_errors(path):
        columns_read = [*wanted, f"{AUDIO_COLUMN}.path"]
        rows = pq.read_table(path, columns=columns_read, partitioning=None, page_checksum_verification=True).to_pylist()
    prefix = path.stem if source.is_file() else path.relative_to(source).with_suffix("").as_posix()
    return [_entry(path, number, row, columns, prefix, with_text) for number, row in enumerate(rows)]


def _entry(
    path: Path, number: int, row: Mapping[str, Any], columns: Mapping[str, str | None], prefix: str, with_text: bool
) -> Entry:
    def value(what: str) -> str | None:
        column = columns[what]
        return (one_line(str(row[column])) or None) if column and row[column] is not None else None

    text = value("text")
    problem = None
    if with_text and text is None:
        problem = f"{path}, row {number}: no text; remove the row, or add the corpus with --no-text"
    return Entry(
        id=value("id") or f"{prefix}/{number:06d}",
        path=path,
        row=number,
        text=text if with_text else None,
        speaker=value("speaker"),
        problem=problem,
    )


def _first(names: Sequence[str], present: Sequence[str]) -> str | None:
    return next((name for name in names if name in present), None)


def _has_audio(schema: pa.Schema) -> bool:
    import pyarrow as pa

    if AUDIO_COLUMN not in schema.names:
        return False
    kind = schema.field(AUDIO_COLUMN).type
    return bool(pa.types.is_struct(kind)) and {"bytes", "path"} <= {kind.field(i).name for i in range(kind.num_fields)}


def is_embedded(source: Path) -> bool:
    """Whether the (first) Parquet file has a column of encoded audio."""
    if source.is_file() and source.suffix != ".parquet":
        return False
    first = next(iter(_parquet_files(source)), None)
    try:
        return first is not None and _has_audio(_schema(first))
    except UserError:  # a damaged file: the layout that is left for it will say so
        return False


EMBEDDED = Layout(
    name="huggingface",
    about="Hugging Face Parquet files with the audio inside, one or a folder of them",
    recognises=is_embedded,
    read=read_embedded,
)
