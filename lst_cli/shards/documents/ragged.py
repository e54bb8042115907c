"""Arithmetic on ragged arrays: many ranges in one flat array, without a loop in Python."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def offsets(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Where each range starts when ranges of these lengths are concatenated, and where the last one ends."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def counted(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """0, 1, 2, ... within each range."""
    starts = offsets(lengths)
    return np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)


def indices(starts: NDArray[np.integer], lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Indices of the elements of arbitrary ranges, concatenated."""
    placed = offsets(lengths)
    return np.arange(placed[-1]) + np.repeat(starts - placed[:-1], lengths)
