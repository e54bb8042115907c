"""Parquet and small files, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lst_cli.errors import UserError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes ``path`` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Ranks on other machines may write the same file at the same time, with the same process number.
    temporary = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or absent."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_parquet(path: Path, table: pa.Table, *, row_group_size: int = 4096) -> None:
    """Write a table as zstd Parquet. The same table always gives the same bytes."""
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=row_group_size, write_page_checksum=True)


def write_row_groups(path: Path, schema: pa.Schema, groups: Iterable[pa.Table]) -> None:
    """Write tables as the row groups of one file, as :func:`write_parquet` does, with one in memory at a time.

    Empty tables are left out.
    """
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for table in groups:
            if len(table):
                writer.write_table(table, row_group_size=len(table))


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a whole Parquet file.

    :raises UserError: the file is missing, truncated, damaged or lacks a column.
    """
    with parquet_errors(path):
        return pq.read_table(path, columns=list(columns) if columns is not None else None, partitioning=None)


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Turn pyarrow's errors about ``path`` into a :class:`UserError` that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", fix="make the artifact that holds it again") from None
    except (pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowTypeError, OSError) as error:
        raise UserError(
            f"{path}: not a whole Parquet file",
            found=str(error).splitlines()[0],
            fix="'lst artifact verify' names every damaged file; remove its artifact and make it again",
        ) from None
