"""Who sees whom: from documents and patches to the spans of every attention.

Computed in numpy beside the reader, so that the training step only finds tensors.

Shape legend: T tokens, P positions of the global transformer, Q = P * k patch queries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lst_cli.model.model_config import ModelConfig
from lst_cli.patching.packed import PADDING, Packed
from lst_cli.text.vocabulary import Vocabulary

Bounds = tuple[NDArray[np.integer], NDArray[np.integer]]
"""For each query the first and the last key that it sees; none where the last is before the first."""


@dataclass(frozen=True)
class DocumentAxis:
    """Documents along one axis."""

    real: NDArray[np.bool_]
    """Which entries are not padding."""
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


@dataclass(frozen=True)
class LocalPart:
    """The part of a batch that the patch encoder and decoder see."""

    packed: Packed
    """The tokens that they see, with all positions."""
    token_T: NDArray[np.bool_]
    """Which tokens of the whole batch these are."""
    position_P: NDArray[np.bool_]
    """Which positions are made of them; padding counts."""
    whole: bool
    """Whether that is everything."""


def local_part(packed: Packed, config: ModelConfig, vocabulary: Vocabulary) -> LocalPart:
    """All tokens, or speech tokens only where text bypasses the local layers."""
    position_P = np.ones(len(packed.document_P), dtype=np.bool_)
    if config.local is None or config.local.text == "local":
        return LocalPart(packed, np.ones(len(packed.tokens_T), dtype=np.bool_), position_P, whole=True)
    token_T = vocabulary.is_speech(packed.tokens_T) & (packed.document_T != PADDING)
    position_P[:] = False
    position_P[packed.patch_T[token_T]] = True
    names = ("tokens_T", "targets_T", "document_T", "patch_T", "closes_T")
    chosen = replace(packed, **{name: getattr(packed, name)[token_T] for name in names})
    return LocalPart(chosen, token_T, position_P, whole=False)


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
