"""Parquet and small files, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lst_cli.artifacts.paths import temporary
from lst_cli.errors import UserError
from lst_cli.storage.bucket_path import AnyPath


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes ``path`` if the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = temporary(path)
    try:
        yield unfinished
        with unfinished.open("rb") as stream:
            os.fsync(stream.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or absent."""
    with atomic_path(path) as unfinished:
        unfinished.write_bytes(data)


def write_parquet(path: Path, table: pa.Table, *, row_group_size: int = 4096) -> None:
    """Write a table as zstd Parquet. Equal tables give equal bytes."""
    with atomic_path(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd", row_group_size=row_group_size, write_page_checksum=True)


def write_row_groups(path: Path, schema: pa.Schema, groups: Iterable[pa.Table]) -> None:
    """Write tables as the row groups of one file, like :func:`write_parquet`, with one table in memory at a time.

    Empty tables are skipped.
    """
    with (
        atomic_path(path) as unfinished,
        pq.ParquetWriter(unfinished, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for table in groups:
            if len(table):
                writer.write_table(table, row_group_size=len(table))


def read_parquet(
    path: Path, columns: Sequence[str] | None = None, *, schema: pa.Schema | None = None, required: Sequence[str] = ()
) -> pa.Table:
    """Read a whole Parquet file and verify its page checksums.

    :param schema: read these columns, which must have these types.
    :param required: columns without nulls.
    :raises UserError: the file is missing, truncated or damaged, or a column is missing, has another type or nulls.
    """
    chosen = columns if schema is None else schema.names
    with open_parquet(path) as file:
        if schema is not None:
            check_types(path, file.schema_arrow, schema)
        table = file.read(columns=None if chosen is None else _present(file, chosen))
        table.validate(full=True)
    for name in required:
        if table[name].null_count:
            raise UserError(f"{path}: the column {name} has nulls", expected="a value in every row", fix=_FIX)
    return table


@contextmanager
def open_parquet(path: AnyPath, *, foreign: bool = False) -> Iterator[pq.ParquetFile]:
    """A Parquet file, on a disk or in a bucket, whose page checksums are verified when its rows are read.

    :param foreign: the file is the user's, and not part of an artifact.
    :raises UserError: the file is missing, truncated or damaged; reading inside the block raises the same.
    :raises LstError: the store of a bucket can't be reached, or refuses access.
    """
    with parquet_errors(path, foreign=foreign):
        source = path if isinstance(path, Path) else pa.PythonFile(path.open("rb"), mode="r")
        with pq.ParquetFile(source, page_checksum_verification=True) as file:
            yield file


def check_types(path: Path, found: pa.Schema, expected: pa.Schema) -> None:
    """Check that a file has all expected columns, with their types.

    :raises UserError: a column is missing or has another type.
    """
    for field in expected:
        there = found.field(field.name).type if field.name in found.names else "no such column"
        if there != field.type:
            raise UserError(f"{path}: the column {field.name}", found=str(there), expected=str(field.type), fix=_FIX)


def _present(file: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    """The columns, all of which must exist: pyarrow leaves out unknown ones."""
    missing = [name for name in columns if name not in file.schema_arrow.names]
    if missing:
        raise pa.ArrowKeyError(f"no column {', '.join(missing)} among {', '.join(file.schema_arrow.names)}")
    return list(columns)


_FIX = "run 'lst artifact verify' to list every damaged file; remove its artifact and make it again"


@contextmanager
def parquet_errors(path: object, *, foreign: bool = False) -> Iterator[None]:
    """Turn pyarrow's errors about ``path`` into a :class:`UserError` that names the file.

    :param foreign: the file is the user's, and not part of an artifact.
    """
    try:
        yield
    except FileNotFoundError:
        fix = None if foreign else "make the artifact that contains it again"
        raise UserError(f"{path}: no such file", fix=fix) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        found = (str(error).splitlines() or [repr(error)])[0]
        fix = "copy or download the file again" if foreign else _FIX
        raise UserError(f"{path}: not a whole Parquet file", found=found, fix=fix) from None
