"""Hugging Face audio data sets: Parquet files that hold the encoded audio itself (People's Speech, and most others)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.audio.layouts.columns import TEXT_COLUMNS, Columns, RowReader, find_columns, notes_on, repeated_column
from lst_cli.audio.layouts.listing import CorpusLayout, Entry, Listing, files_below, same_name
from lst_cli.audio.layouts.table_rows import Row, parquet_batches
from lst_cli.errors import UserError
from lst_cli.storage.bucket_path import AnyPath

if TYPE_CHECKING:
    import pyarrow as pa

AUDIO_COLUMN = "audio"


def read_embedded(source: AnyPath, with_text: bool) -> Listing:
    """List the rows of one Parquet file, or of all below a folder, in order of file name and row.

    :raises UserError: a file is damaged, has no audio column, or no text column where text is wanted.
    """
    files = _parquet_files(source, list(files_below(source)) if source.is_dir() else [])
    checked = [(path, *_check(path, with_text)) for path in files]
    notes = [note for path, columns, names in checked for note in notes_on(path, names, columns, False)]
    return Listing(entries=_Rows(checked, source, with_text), documents=files, notes=notes)


@dataclass(frozen=True)
class _Rows:
    """The rows of Parquet files, read again by each iteration."""

    files: Sequence[tuple[AnyPath, Columns, list[str]]]
    source: AnyPath
    with_text: bool

    def __iter__(self) -> Iterator[Entry]:
        for path, columns, names in self.files:
            below = (
                path.stem if self.source.is_file() else path.relative_to(str(self.source)).with_suffix("").as_posix()
            )
            for number, row in enumerate(_rows(path, names)):
                yield _entry(path, number, row, columns, same_name(below), self.with_text)


def _parquet_files(source: AnyPath, files: Sequence[AnyPath]) -> list[AnyPath]:
    return [path for path in ([source] if source.is_file() else files) if path.suffix.lower() == ".parquet"]


def _schema(path: AnyPath) -> pa.Schema:
    from lst_cli.artifacts.parquet import open_parquet

    with open_parquet(path, foreign=True) as file:
        return file.schema_arrow


def _check(path: AnyPath, with_text: bool) -> tuple[Columns, list[str]]:
    """The columns of a file, and the names of those that are read in addition to the audio."""
    schema = _schema(path)
    names = [name for name in schema.names if name != AUDIO_COLUMN]
    columns = find_columns(names)
    if twice := repeated_column(names):
        raise UserError(f"{path}: two columns {twice!r}", fix="rename one of them")
    if not _has_audio(schema) or (with_text and columns.text is None):
        raise UserError(
            f"{path}: not a data set with audio{' and text' if with_text else ''}",
            found=f"columns {', '.join(schema.names)}",
            expected=f"a column '{AUDIO_COLUMN}' with bytes, and one of {', '.join(TEXT_COLUMNS)}",
            fix="rename the columns, or add the corpus with --no-text",
        )
    return columns, [name for name in columns.read if name != columns.path]


def _rows(path: AnyPath, names: list[str]) -> Iterator[Row]:
    if names:
        yield from parquet_batches(path, names)
        return
    from lst_cli.artifacts.parquet import open_parquet

    with open_parquet(path, foreign=True) as file:
        yield from ({} for _ in range(file.metadata.num_rows))


def _entry(path: AnyPath, number: int, row: Row, columns: Columns, prefix: str, with_text: bool) -> Entry:
    where, id = f"{path}, row {number}", f"{prefix}/{number:06d}"
    if isinstance(row, str):
        return Entry(id=id, path=path, row=number, problem=f"{where}: {row}")
    reader = RowReader(columns, row)
    start, end = reader.segment()
    text = reader.string(columns.text) if with_text else None
    if with_text and text is None and not reader.problems:
        reader.problems.append("no text; remove the row, or add the corpus with --no-text")
    return Entry(
        id=reader.id() or id,
        path=path,
        row=number,
        text=text,
        speaker=reader.string(columns.speaker),
        start_s=start or 0.0,
        end_s=end,
        problem=f"{where}: {'; '.join(reader.problems)}" if reader.problems else None,
    )


def _has_audio(schema: pa.Schema) -> bool:
    import pyarrow as pa

    if AUDIO_COLUMN not in schema.names:
        return False
    kind = schema.field(AUDIO_COLUMN).type
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    encoded = kind.field("bytes").type
    return bool(pa.types.is_binary(encoded) or pa.types.is_large_binary(encoded) or pa.types.is_null(encoded))


def is_embedded(source: AnyPath, files: Sequence[AnyPath]) -> bool:
    """Whether the (first) Parquet file has a column of encoded audio."""
    first = next(iter(_parquet_files(source, files)), None)
    try:
        return first is not None and _has_audio(_schema(first))
    except UserError:  # a damaged file: the layout that is left for it will say so
        return False


EMBEDDED = CorpusLayout(
    name="huggingface",
    about="Hugging Face Parquet files with the audio inside, one or a folder of them",
    recognises=is_embedded,
    read=read_embedded,
)
