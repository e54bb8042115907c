"""One source as one stream reads it: an endless line of documents, and where it stands."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict, astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lst_cli.console import warn
from lst_cli.errors import UserError
from lst_cli.shards.documents.document import Documents
from lst_cli.shards.documents.forms import Maker, Source
from lst_cli.shards.documents.ragged import offsets
from lst_cli.shards.read.blocks import BlockLine, RowBlock
from lst_cli.shards.shard_rows import ShardRows
from lst_cli.shards.shard_set import RowGroup
from lst_cli.text.vocabulary import Vocabulary

CHUNK_TOKENS = 1 << 16
"""Tokens made at once, about: enough to keep numpy busy, few enough for the processor's cache."""

_CACHE_BYTES = 256 << 20

_BARREN_BLOCKS = 64
"""A stream of very few rows may meet blocks whose only row is held out this many times in a row, not more."""


@dataclass(frozen=True)
class Cursor:
    """A stream's position in a source. Counts are totals since the run began."""

    block: int
    """Number of the block in the source's line."""
    row: int = 0
    """Rows of the block (in the epoch's order) already read."""
    tokens: int = 0
    """Tokens of whole documents, before a speech BPE merges some: its model reads the same mixture as others."""
    unusable: int = 0
    """Rows that lack data that the form needs."""
    corrupt: int = 0
    """Blocks skipped because their row group is damaged."""

    def to_json(self) -> dict[str, int]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Documents of one source in order, and the cursor before each of them (columns as in :class:`Cursor`)."""

    documents: Documents
    cursor_DC: NDArray[np.int64]
    tokens: int
    """Tokens of the source up to the end of the last document, counted as in :class:`Cursor`."""


class RowCache:
    """The row groups last read, for sources with more blocks than row groups."""

    def __init__(self, most_bytes: int = _CACHE_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[tuple[str, RowGroup], ShardRows] = OrderedDict()

    def read(self, source: Source, group: RowGroup, vocabulary: Vocabulary, *, keep: bool) -> ShardRows:
        """Read a row group, or find it.

        :param keep: it will be requested again soon.
        :raises UserError: it is damaged.
        """
        key = (source.name, group)
        rows = self._kept.pop(key, None)
        if rows is None:
            rows = source.shards.read(group, vocabulary, source.spans)
        if keep:
            self._kept[key] = rows
        while sum(kept.nbytes for kept in self._kept.values()) > self._most:
            self._kept.popitem(last=False)
        return rows


class Feed:
    """Makes the documents that one stream reads of one source.

    :param epochs: stop at this epoch; None never to stop.
    """

    def __init__(
        self,
        source: Source,
        line: BlockLine,
        cursor: Cursor,
        *,
        streams: int,
        maker: Maker,
        cache: RowCache,
        skip_corrupt: bool,
        epochs: int | None = None,
    ) -> None:
        self.source = source
        self.cursor = cursor
        """Before the first document that :meth:`next` has not made yet."""
        self._line = line
        self._streams = streams
        self._maker = maker
        self._cache = cache
        self._skip_corrupt = skip_corrupt
        self._epochs = epochs
        self._open: tuple[int, RowBlock, ShardRows, NDArray[np.int64]] | None = None

    def next(self) -> Chunk | None:
        """The next documents, at least one of them with tokens; None after the last epoch.

        :raises UserError: a row group is damaged (without ``skip_corrupt``), or no row is of use for the form.
        """
        chunks: list[Chunk] = []
        barren = 0
        while not chunks or not len(chunks[-1].documents.tokens_T):
            if self._epochs is not None and self._line.epoch(self.cursor.block) >= self._epochs:
                return concatenate(chunks) if chunks else None
            block = self.cursor.block
            chunk = self._next_in_block()
            if chunk is not None:
                chunks.append(chunk)
            barren += block != self.cursor.block
            if barren > max(self._line.edition(block).blocks, _BARREN_BLOCKS):
                raise self._nothing_to_read()
        return concatenate(chunks)

    def _nothing_to_read(self) -> UserError:
        split = f", all others outside of the split {self.source.split}" if self.source.held_out else ""
        return UserError(
            f"source {self.source.name}: no row can be read in the form {self.source.form}",
            found=f"{self.cursor.unusable} rows without the words or speech it needs, "
            f"{self.cursor.corrupt} damaged blocks{split}",
            fix="make shards with an alignment, or choose another form"
            if self.cursor.unusable or not self.source.held_out
            else "lower the share that is held out, or give more utterances",
        )

    def _next_in_block(self) -> Chunk | None:
        """Some documents of the block at the cursor; None when it is used up or damaged."""
        opened = self._opened()
        if opened is None:
            return None
        block, rows, ends = opened
        cursor = self.cursor
        before = int(ends[cursor.row - 1]) if cursor.row else 0
        last = int(np.searchsorted(ends, before + CHUNK_TOKENS)) + 1
        chosen = block.rows[cursor.row : last]
        if not len(chosen):
            self.cursor = replace(cursor, block=cursor.block + self._streams, row=0)
            return None
        documents = self._maker.documents(self.source.form, rows, chosen, block.epoch)
        empty = offsets(documents.lengths_D == 0)
        cursor_DC = np.empty((len(chosen) + 1, len(astuple(cursor))), np.int64)
        cursor_DC[:] = astuple(cursor)
        cursor_DC[:, 1] += np.arange(len(chosen) + 1)
        cursor_DC[:, 2] += offsets(documents.read_D)
        cursor_DC[:, 3] += empty
        self.cursor = Cursor(*cursor_DC[-1].tolist())
        return Chunk(documents=documents, cursor_DC=cursor_DC[:-1], tokens=self.cursor.tokens)

    def _opened(self) -> tuple[RowBlock, ShardRows, NDArray[np.int64]] | None:
        """The block at the cursor, its rows, and the tokens up to the end of each of them; None if it is damaged."""
        number = self.cursor.block
        if self._open is None or self._open[0] != number:
            block = self._line.block(number)
            try:
                split = self._line.edition(number).parts > 1
                rows = self._cache.read(self.source, block.group, self._maker.row_vocabulary, keep=split)
            except UserError as error:
                if not self._skip_corrupt:
                    raise
                warn(f"skipped: {error}")
                self.cursor = replace(self.cursor, block=number + self._streams, row=0, corrupt=self.cursor.corrupt + 1)
                return None
            block = replace(block, rows=self.source.chosen(rows, block.rows))
            self._open = (number, block, rows, np.cumsum(rows.tokens_R[block.rows]))
        return self._open[1:]


def concatenate(chunks: list[Chunk]) -> Chunk:
    """Chunks of one source, in order."""
    if len(chunks) == 1:
        return chunks[0]
    documents = [chunk.documents for chunk in chunks]
    return Chunk(
        documents=Documents(
            tokens_T=np.concatenate([part.tokens_T for part in documents]),
            words_T=np.concatenate([part.words_T for part in documents]),
            start_D=offsets(np.concatenate([part.lengths_D for part in documents])),
            loss_from_D=np.concatenate([part.loss_from_D for part in documents]),
        ),
        cursor_DC=np.concatenate([chunk.cursor_DC for chunk in chunks]),
        tokens=chunks[-1].tokens,
    )
