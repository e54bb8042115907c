"""Who sees whom: from documents and patches to the spans of every attention.

Computed in numpy beside the reader, so that the training step only finds tensors.

Shape legend: T tokens, P positions of the global transformer, Q = P * k patch queries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lst_cli.patching.packed import PADDING, Packed

Bounds = tuple[NDArray[np.integer], NDArray[np.integer]]
"""For each query the first and the last key that it sees; none where the last is before the first."""


@dataclass(frozen=True)
class DocumentAxis:
    """Documents along one axis."""

    real: NDArray[np.bool_]
    """Which entries are no padding."""
    start: NDArray[np.integer]
    """Index at which the entry's document starts."""

    @classmethod
    def of(cls, document: NDArray[np.integer]) -> DocumentAxis:
        """Find the documents along an axis; each is contiguous."""
        changes = np.ones(len(document), dtype=np.bool_)
        changes[1:] = document[1:] != document[:-1]
        start = np.maximum.accumulate(np.where(changes, np.arange(len(document)), 0))
        return cls(real=document != PADDING, start=start)

    @property
    def position(self) -> NDArray[np.integer]:
        """Place of each entry in its document, from 0."""
        return np.arange(len(self.start)) - self.start

    def causal(self, window: int | None = None) -> Bounds:
        """Each entry sees itself and those before it in its document, at most ``window`` in all."""
        last = np.arange(len(self.start))
        first = self.start if window is None else np.maximum(self.start, last - window + 1)
        return _none_for_padding(first, last, self.real)


def patch_tokens(packed: Packed, rows_P: DocumentAxis, cross_window: int, queries: int) -> Bounds:
    """Patch encoder: each query of a patch sees the tokens of its patch, or of the last ``cross_window`` patches."""
    positions = len(packed.document_P)
    real_T = packed.patch_T != PADDING
    length_P = np.bincount(packed.patch_T[real_T], minlength=positions)
    last_P = np.cumsum(length_P) - 1
    first_P = last_P - length_P + 1
    from_P = np.maximum(rows_P.start, np.arange(positions) - cross_window + 1)
    low_P, high_P = _none_for_padding(first_P[from_P], last_P, rows_P.real)
    return np.repeat(low_P, queries), np.repeat(high_P, queries)


def last_closed_patch(packed: Packed) -> NDArray[np.integer]:
    """For each token the last patch whose end is known there: its own, or the one before it."""
    return packed.patch_T - 1 + packed.closes_T


def closed_patches(packed: Packed, rows_P: DocumentAxis, cross_window: int, queries: int) -> Bounds:
    """Patch decoder: each token sees the outputs of the last ``cross_window`` patches that are closed by then."""
    last_T = last_closed_patch(packed)
    start_T = rows_P.start[np.maximum(packed.patch_T, 0)]
    first_T = np.maximum(start_T, last_T - cross_window + 1)
    sees_T = (packed.patch_T != PADDING) & (last_T >= start_T)
    return _none_for_padding(first_T * queries, last_T * queries + queries - 1, sees_T)


def _none_for_padding(first: NDArray[np.integer], last: NDArray[np.integer], real: NDArray[np.bool_]) -> Bounds:
    return np.where(real, first, 1), np.where(real, last, 0)
