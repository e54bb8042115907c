"""A set of shard files, and the row groups in them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lst_cli.artifacts import Artifact
from lst_cli.artifacts.bucket import BucketArtifact
from lst_cli.artifacts.parquet import parquet_errors
from lst_cli.console import warn
from lst_cli.errors import UserError
from lst_cli.shards.bucket_shard import BucketShard, shards_in_bucket
from lst_cli.shards.schema import PIECE_STARTS, Modality, ShardInfo, read_info
from lst_cli.shards.shard_rows import SPEECH_COLUMNS, TEXT_COLUMNS, ShardRows, SpanUnit, speech_rows, text_rows
from lst_cli.storage.range_cache import RangeCache, cache_folder
from lst_cli.text.vocabulary import Vocabulary

SHARD_FILES = "shard-*.parquet"

ShardFile = Path | BucketShard
"""A shard file on a disk or in a bucket."""

_FOOTERS_AT_ONCE = 16


@dataclass(frozen=True)
class RowGroup:
    """One row group of a shard file."""

    path: ShardFile
    index: int
    rows: int

    def __str__(self) -> str:
        return f"{self.path}, row group {self.index}"


@dataclass(frozen=True, kw_only=True)
class ShardSet:
    """Row groups of one or more shard artifacts, in a fixed order. Made by :meth:`open`."""

    groups: tuple[RowGroup, ...]
    info: ShardInfo
    """The same in every file."""
    unreadable: tuple[ShardFile, ...] = ()
    """Files skipped because their footer is damaged (only with ``skip_corrupt``)."""
    without_piece_starts: tuple[ShardFile, ...] = ()
    """Speech files that do not say where the text tokens of words begin."""

    @classmethod
    def open(cls, files: Sequence[ShardFile], *, skip_corrupt: bool = False) -> ShardSet:
        """Read the footers of shard files.

        :param skip_corrupt: skip damaged files with a warning.
        :raises UserError: there is no file or row, a file is damaged or not a shard, or the files do not match.
        """
        groups: list[RowGroup] = []
        infos: dict[ShardFile, ShardInfo] = {}
        unreadable: list[ShardFile] = []
        without: list[ShardFile] = []
        with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
            footers = list(pool.map(_footer, files))
        for path, footer in zip(files, footers, strict=True):
            if isinstance(footer, UserError):
                if not skip_corrupt:
                    raise footer
                warn(f"skipped a damaged shard: {footer}")
                unreadable.append(path)
                continue
            metadata, schema, infos[path] = footer
            sizes = (metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
            groups += [RowGroup(path, i, rows) for i, rows in enumerate(sizes)]
            if infos[path].modality == "speech" and PIECE_STARTS.name not in schema.names:
                without.append(path)
        if not any(group.rows for group in groups):
            raise UserError(
                "there are no rows to read",
                found=f"{len(files)} files: {', '.join(map(str, files[:3]))}",
                fix="make shards with 'lst shards speech' or 'lst shards text'",
            )
        return cls(
            groups=tuple(groups),
            info=_shared(infos),
            unreadable=tuple(unreadable),
            without_piece_starts=tuple(without),
        )

    @classmethod
    def of(cls, *artifacts: Artifact, skip_corrupt: bool = False, cache_gib: float = 0.0) -> ShardSet:
        """The shards of artifacts, in order.

        :param cache_gib: disk space for what is read of artifacts in buckets.
        :raises UserError: as for :meth:`open`.
        """
        cache = RangeCache(cache_folder(), int(cache_gib * (1 << 30)))
        files: list[ShardFile] = []
        for artifact in artifacts:
            if isinstance(artifact, BucketArtifact):
                files += shards_in_bucket(artifact, SHARD_FILES, cache)
            else:
                files += artifact.data_files(SHARD_FILES)
        return cls.open(files, skip_corrupt=skip_corrupt)

    @property
    def modality(self) -> Modality:
        """``speech`` or ``text``."""
        return self.info.modality

    def identity(self, n_groups: int) -> str:
        """A hash of the first row groups: file names, numbers and sizes, not their folder."""
        text = "".join(f"{group.path.name}:{group.index}:{group.rows}\n" for group in self.groups[:n_groups])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def read(self, group: RowGroup, vocabulary: Vocabulary, spans: SpanUnit = "word") -> ShardRows:
        """Read and check one row group.

        :param spans: what aligned patches of speech follow.
        :raises UserError: it is damaged, or does not fit the vocabulary.
        """
        speech = self.modality == "speech"
        columns = (*SPEECH_COLUMNS, PIECE_STARTS.name) if spans == "piece" else SPEECH_COLUMNS
        table = read_row_group(group, columns if speech else TEXT_COLUMNS)
        try:
            return speech_rows(table, vocabulary, spans) if speech else text_rows(table, vocabulary)
        except UserError as error:
            raise UserError(
                f"{group}: {error.what}", found=error.found, expected=error.expected, fix=error.fix
            ) from None

    def check_vocabulary(self, vocabulary: Vocabulary, name: str) -> None:
        """Check that the shards were made for this vocabulary.

        :raises UserError: they were made with another tokenizer or quantizer.
        """
        info = self.info
        known = (info.pieces, info.eos) == (vocabulary.pieces, vocabulary.eos)
        if not known or (info.modality == "speech" and info.units != vocabulary.units):
            raise UserError(
                f"source {name}: the shards do not fit the model's vocabulary",
                found=f"{info.pieces} text tokens, end of document {info.eos}, {info.units} units",
                expected=f"{vocabulary.pieces} text tokens, end of document {vocabulary.eos}, {vocabulary.units} units",
                fix="use shards made with the model's own tokenizer and quantizer",
            )


def _footer(path: ShardFile) -> tuple[pq.FileMetaData, pa.Schema, ShardInfo] | UserError:
    """The footer of a file, or why it can't be read."""
    try:
        with parquet_errors(path):
            metadata = path.metadata() if isinstance(path, BucketShard) else pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
        return metadata, schema, read_info(path, schema)
    except UserError as error:
        return error


def read_row_group(group: RowGroup, columns: Sequence[str] | None = None) -> pa.Table:
    """Read one row group, with its checksums verified.

    :raises UserError: it is damaged.
    """
    try:
        with parquet_errors(group.path):
            if isinstance(group.path, BucketShard):
                return group.path.row_group(group.index, columns)
            file = pq.ParquetFile(group.path, page_checksum_verification=True)
            table = file.read_row_group(
                group.index, columns=None if columns is None else list(columns), use_threads=False
            )
            table.validate(full=True)
            return table
    except UserError as error:
        raise UserError(
            f"{group}: damaged",
            found=error.found or error.what,
            fix="make the shards again ('lst artifact verify' names all that is damaged), "
            "or skip it with --set run.skip_corrupt=true",
        ) from None


def _shared(infos: dict[ShardFile, ShardInfo]) -> ShardInfo:
    """The info that all files share."""
    (first, info), *others = infos.items()
    for path, other in others:
        if other != info:
            raise UserError(
                f"{path}: does not match {first}",
                found=str(other),
                expected=str(info),
                fix="use separate sources for shards of different kinds, tokenizers or quantizers",
            )
    return info
