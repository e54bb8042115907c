"""Keys and values of one attention, kept for many sequences that are each at their own place.

Shape legend: B rows (sequences), N new entries or queries of any rows, S places, H heads, E width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from lst_cli.model.layers import Attend


class Cache:
    """Any tensors of rows and places, written entry by entry; grows as needed."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.data_BS: Tensor | None = None

    def write(self, row_N: Tensor, place_N: Tensor, new_N: Tensor) -> Tensor:
        """Put new entries at their rows and places; return the whole cache (B, S, …)."""
        need = int(place_N.max()) + 1 if len(place_N) else 1
        if self.data_BS is None:
            self.data_BS = new_N.new_zeros(self.rows, _room(need), *new_N.shape[1:])
        elif need > self.data_BS.shape[1]:
            old_BS = self.data_BS
            self.data_BS = old_BS.new_zeros(self.rows, _room(need), *old_BS.shape[2:])
            self.data_BS[:, : old_BS.shape[1]] = old_BS
        if len(place_N):
            self.data_BS[row_N, place_N] = new_N
        return self.data_BS

    def select(self, row_R: Tensor) -> Cache:
        """A copy that holds the given rows, in this order, each as often as it is named."""
        chosen = Cache(len(row_R))
        chosen.data_BS = self.data_BS[row_R] if self.data_BS is not None else None
        return chosen


def _room(need: int) -> int:
    return 1 << max(need - 1, 63).bit_length()


@dataclass(frozen=True)
class Places:
    """New entries of a feed: which row each belongs to and its place there."""

    row_N: Tensor
    place_N: Tensor

    @classmethod
    def of(cls, row_N: NDArray[np.integer], place_N: NDArray[np.integer], device: torch.device) -> Places:
        """From numpy, onto the model's device."""
        return cls(*(torch.from_numpy(a.astype(np.int64)).to(device) for a in (row_N, place_N)))


@dataclass(frozen=True)
class Queries:
    """Queries of a feed laid out by row: a (rows, longest) grid, and which keys each sees."""

    rows_R: Tensor
    """Rows that have queries."""
    slot_N: Tensor
    """Place of each query in the flattened grid."""
    longest: int
    first: int
    stop: int
    """Range of places that some query sees."""
    mask_RQS: Tensor
    """Which of these places each query sees; a query that sees none, or fills the grid, is given the first."""
    sees_N: Tensor
    """Whether each query sees any key."""

    @classmethod
    def of(
        cls,
        row_N: NDArray[np.integer],
        low_N: NDArray[np.integer],
        high_N: NDArray[np.integer],
        device: torch.device,
    ) -> Queries:
        """Queries in order of their rows; query n sees places ``low_N[n]`` to ``high_N[n]`` of its row."""
        rows_R, slot_row_N, count_R = np.unique(row_N, return_inverse=True, return_counts=True)
        longest = int(count_R.max(initial=0))
        begin_R = np.cumsum(count_R) - count_R
        slot_N = slot_row_N * longest + np.arange(len(row_N)) - begin_R[slot_row_N]
        sees_N = high_N >= low_N
        first, stop = (int(low_N[sees_N].min()), int(high_N[sees_N].max()) + 1) if sees_N.any() else (0, 1)
        low, high = np.full(len(rows_R) * longest, first), np.full(len(rows_R) * longest, first)
        low[slot_N[sees_N]], high[slot_N[sees_N]] = low_N[sees_N], high_N[sees_N]
        key_S = np.arange(first, stop)
        mask = (key_S >= low[:, None]) & (key_S <= high[:, None])
        return cls(
            rows_R=torch.from_numpy(rows_R).to(device),
            slot_N=torch.from_numpy(slot_N).to(device),
            longest=longest,
            first=first,
            stop=stop,
            mask_RQS=torch.from_numpy(mask.reshape(len(rows_R), longest, stop - first)).to(device),
            sees_N=torch.from_numpy(sees_N).to(device),
        )


class KeyValueCache:
    """The cached keys and values of one attention layer."""

    def __init__(self, rows: int) -> None:
        self.keys = Cache(rows)
        self.values = Cache(rows)

    def select(self, row_R: Tensor) -> KeyValueCache:
        """A copy of the given rows."""
        chosen = KeyValueCache(len(row_R))
        chosen.keys, chosen.values = self.keys.select(row_R), self.values.select(row_R)
        return chosen

    def over(self, new: Places, queries: Queries) -> Attend:
        """Attention that first takes in the new keys and values, then lets each query see its span of its row."""

        def attend_over(q_NHE: Tensor, k_NHE: Tensor, v_NHE: Tensor) -> Tensor:
            k_BSHE = self.keys.write(new.row_N, new.place_N, k_NHE)
            v_BSHE = self.values.write(new.row_N, new.place_N, v_NHE)
            return _attend_rows(q_NHE, k_BSHE, v_BSHE, queries)

        return attend_over


def _attend_rows(q_NHE: Tensor, k_BSHE: Tensor, v_BSHE: Tensor, queries: Queries) -> Tensor:
    if not len(q_NHE):
        return q_NHE
    rows = len(queries.rows_R)
    grid = q_NHE.new_zeros(rows * queries.longest, *q_NHE.shape[1:])
    grid[queries.slot_N] = q_NHE
    k_RHSE, v_RHSE = (
        # All rows is the common case, and then the cache need not be copied.
        (x if rows == len(x) else x[queries.rows_R])[:, queries.first : queries.stop].transpose(1, 2)
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
