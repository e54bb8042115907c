"""Keys and values of one attention, kept for many sequences that are each at their own place.

What goes where is worked out on the host. Caches have a fixed size, a power of two, until a sequence outgrows it: no
write asks the device where it is.

Shape legend: B rows (sequences), N new entries or queries of any rows, S places, H heads, E width of a head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from lst_cli.model.layers import Attend
from lst_cli.model.upload import Sent, Upload


class Cache:
    """Any tensors of rows and places, written entry by entry."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.room = 0
        """Places of each row."""
        self.data_BS: Tensor | None = None

    def reserve(self, room: int) -> None:
        """Grow to this many places; the contents stay."""
        self.room = max(self.room, room)
        if self.data_BS is not None and self.room > self.data_BS.shape[1]:
            old_BS = self.data_BS
            self.data_BS = old_BS.new_zeros(self.rows, self.room, *old_BS.shape[2:])
            self.data_BS[:, : old_BS.shape[1]] = old_BS

    def write(self, row_N: Tensor, place_N: Tensor, new_N: Tensor) -> Tensor:
        """Put new entries at their rows and places, which are reserved; return the whole cache (B, S, …)."""
        if self.data_BS is None:
            self.data_BS = new_N.new_zeros(self.rows, self.room, *new_N.shape[1:])
        if len(place_N):
            self.data_BS[row_N, place_N] = new_N
        return self.data_BS

    def select(self, row_R: Tensor) -> Cache:
        """A copy that holds the given rows, in this order; rows may be repeated."""
        chosen = Cache(len(row_R))
        chosen.room = self.room
        chosen.data_BS = self.data_BS[row_R] if self.data_BS is not None else None
        return chosen


def room_for(places: int) -> int:
    """The size of a cache for this many places: a power of two."""
    return 1 << max(places - 1, 63).bit_length()


@dataclass(frozen=True)
class Places:
    """New entries of a feed: which row each belongs to and its place there."""

    row_N: Tensor
    place_N: Tensor

    @staticmethod
    def stage(row_N: NDArray[np.integer], place_N: NDArray[np.integer], upload: Upload) -> Callable[[Sent], Places]:
        """Add them to an upload; the result makes them of it."""
        row, place = upload.add(row_N), upload.add(place_N)
        return lambda sent: Places(sent(row), sent(place))


@dataclass(frozen=True)
class Queries:
    """The queries of a feed as a (rows, longest) grid, and the keys of each query."""

    rows_R: Tensor | None
    """Rows that have queries; None if that is every row in order, and then no cache need be copied."""
    slot_N: Tensor
    """Place of each query in the flattened grid."""
    rows: int
    longest: int
    first: int
    stop: int
    """Range of places that some query sees."""
    mask_RQS: Tensor
    """Which of these places each query sees; a query that sees none, or fills the grid, is given the first."""
    sees_N: Tensor
    """Whether each query sees any key."""

    @staticmethod
    def stage(
        row_N: NDArray[np.integer],
        low_N: NDArray[np.integer],
        high_N: NDArray[np.integer],
        upload: Upload,
        *,
        all_rows: int,
        group_N: NDArray[np.integer] | None = None,
        room: int | None = None,
    ) -> Callable[[Sent], Queries]:
        """Add queries to an upload; query n sees places ``low_N[n]`` to ``high_N[n]`` of its row.

        :param all_rows: rows of the cache.
        :param group_N: which queries stand together in a row of the grid, rising; by default those of one row.
        :param room: number of places that the grid covers: a fixed size.
        """
        _, index_R, slot_row_N, count_R = np.unique(
            row_N if group_N is None else group_N, return_index=True, return_inverse=True, return_counts=True
        )
        rows_R = row_N[index_R]
        longest = int(count_R.max(initial=0))
        begin_R = np.cumsum(count_R) - count_R
        slot_N = slot_row_N * longest + np.arange(len(row_N)) - begin_R[slot_row_N]
        sees_N = high_N >= low_N
        first, stop = (int(low_N[sees_N].min()), int(high_N[sees_N].max()) + 1) if sees_N.any() else (0, 1)
        if room is not None:
            first, stop = 0, room
        low, high = np.full(len(rows_R) * longest, first), np.full(len(rows_R) * longest, first)
        low[slot_N[sees_N]], high[slot_N[sees_N]] = low_N[sees_N], high_N[sees_N]
        grid = (len(rows_R), longest, 1)
        every = np.array_equal(rows_R, np.arange(all_rows))
        rows, slot, sees, low_RQ1, high_RQ1 = (
            upload.add(array) for array in (rows_R, slot_N, sees_N, low.reshape(grid), high.reshape(grid))
        )

        def make(sent: Sent) -> Queries:
            key_S = torch.arange(first, stop, device=sent(slot).device)
            return Queries(
                rows_R=None if every else sent(rows),
                slot_N=sent(slot),
                rows=len(rows_R),
                longest=longest,
                first=first,
                stop=stop,
                mask_RQS=(key_S >= sent(low_RQ1)) & (key_S <= sent(high_RQ1)),
                sees_N=sent(sees),
            )

        return make


class KeyValueCache:
    """The cached keys and values of one attention layer."""

    def __init__(self, rows: int) -> None:
        self.keys = Cache(rows)
        self.values = Cache(rows)

    def reserve(self, room: int) -> None:
        """As :meth:`Cache.reserve`."""
        self.keys.reserve(room)
        self.values.reserve(room)

    def select(self, row_R: Tensor) -> KeyValueCache:
        """A copy of the given rows."""
        chosen = KeyValueCache(len(row_R))
        chosen.keys, chosen.values = self.keys.select(row_R), self.values.select(row_R)
        return chosen

    def over(self, new: Places, queries: Queries) -> Attend:
        """Attention that first appends the new keys and values, then lets each query see its span of its row."""

        def attend_over(q_NHE: Tensor, k_NHE: Tensor, v_NHE: Tensor) -> Tensor:
            k_BSHE = self.keys.write(new.row_N, new.place_N, k_NHE)
            v_BSHE = self.values.write(new.row_N, new.place_N, v_NHE)
            return _attend_rows(q_NHE, k_BSHE, v_BSHE, queries)

        return attend_over


def _attend_rows(q_NHE: Tensor, k_BSHE: Tensor, v_BSHE: Tensor, queries: Queries) -> Tensor:
    if not len(q_NHE):
        return q_NHE
    rows = queries.rows
    grid = q_NHE.new_zeros(rows * queries.longest, *q_NHE.shape[1:])
    grid[queries.slot_N] = q_NHE
    k_RHSE, v_RHSE = (
        (x if queries.rows_R is None else x[queries.rows_R])[:, queries.first : queries.stop].transpose(1, 2)
        for x in (k_BSHE, v_BSHE)
    )
    out_RHQE = scaled_dot_product_attention(
        grid.view(rows, queries.longest, *grid.shape[1:]).transpose(1, 2),
        k_RHSE,
        v_RHSE,
        attn_mask=queries.mask_RQS[:, None],
        enable_gqa=q_NHE.shape[1] != k_BSHE.shape[2],
    )
    out_NHE = out_RHQE.transpose(1, 2).flatten(0, 1)[queries.slot_N]
    return out_NHE * queries.sees_N[:, None, None]
