"""Which rows a stream reads, in which order: blocks of a source, distributed over streams epoch by epoch.

A block is a row group, or a part of one where there are few row groups for so many streams. Each epoch puts the blocks
in an order of its own, and epochs follow one another: a source is one endless sequence of blocks, and stream
``s`` of ``S`` reads block ``s``, ``s + S``, ``s + 2 S``, ... of that line. So every row is read once an epoch over all
streams, and a stream's place in a source is one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lst_cli.hashing import permutation
from lst_cli.shards.documents.draws import Draw
from lst_cli.shards.shard_set import RowGroup

_BLOCKS_PER_STREAM = 4
"""Row groups are split until an epoch has this many blocks for each stream, if the rows allow it."""


@dataclass(frozen=True, kw_only=True)
class RowBlock:
    """Some rows of a row group, in the order in which an epoch reads them."""

    epoch: int
    group: RowGroup
    rows: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Edition:
    """The blocks of a source from an epoch on; a source that has grown gets a further edition."""

    epoch: int
    """First epoch."""
    first: int
    """Number of its first block in the line of all blocks."""
    groups: int
    """Row groups read: the first ones of the shard set."""
    parts: int
    """Blocks in a row group."""

    @property
    def blocks(self) -> int:
        """Blocks in an epoch."""
        return self.groups * self.parts

    def epoch_of(self, number: int) -> int:
        """Epoch in which a block of the sequence is read."""
        return self.epoch + (number - self.first) // self.blocks


class BlockLine:
    """The endless line of blocks of one source."""

    def __init__(self, groups: Sequence[RowGroup], editions: Sequence[Edition], seed: int, key: int) -> None:
        self._groups = groups
        self.editions = tuple(editions)
        self._seed = seed
        self._key = key
        self._order = lru_cache(maxsize=4)(self._epoch_order)

    def edition(self, number: int) -> Edition:
        """The edition that a block of the line belongs to."""
        return next(edition for edition in reversed(self.editions) if edition.first <= number)

    def epoch(self, number: int) -> int:
        """The epoch that a block of the line belongs to."""
        return self.edition(number).epoch_of(number)

    def epochs_before(self, number: int) -> float:
        """Epochs, with fraction, before a block of the sequence."""
        edition = self.edition(number)
        return edition.epoch + (number - edition.first) / edition.blocks

    def block(self, number: int) -> RowBlock:
        """The rows of a block of the line."""
        edition = self.edition(number)
        epoch = edition.epoch_of(number)
        place = int(self._order(epoch, edition.blocks)[(number - edition.first) % edition.blocks])
        index, part = divmod(place, edition.parts)
        group = self._groups[index]
        first, last = group.rows * part // edition.parts, group.rows * (part + 1) // edition.parts
        shuffled = permutation(last - first, self._seed, Draw.ROWS, epoch, self._key, place)
        return RowBlock(epoch=epoch, group=group, rows=first + shuffled)

    def _epoch_order(self, epoch: int, blocks: int) -> NDArray[np.int64]:
        return permutation(blocks, self._seed, Draw.BLOCKS, epoch, self._key)


def first_edition(groups: Sequence[RowGroup], streams: int) -> Edition:
    """The edition of a source that is read from the start."""
    return Edition(epoch=0, first=0, groups=len(groups), parts=_parts(groups, streams))


def grown_edition(last: Edition, groups: Sequence[RowGroup], streams: int, newest_block: int) -> Edition:
    """The edition of a grown source: it begins with the epoch after the newest one that any stream has begun."""
    epoch = last.epoch_of(newest_block) + 1
    return Edition(
        epoch=epoch,
        first=last.first + (epoch - last.epoch) * last.blocks,
        groups=len(groups),
        parts=_parts(groups, streams),
    )


def _parts(groups: Sequence[RowGroup], streams: int) -> int:
    wanted = -(-_BLOCKS_PER_STREAM * streams // len(groups))
    return max(1, min(wanted, max(group.rows for group in groups)))
