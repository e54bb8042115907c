"""From words in a model's frames to words in speech tokens.

Legend: W words, U frames of the model. Times are in samples at 16 kHz.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lst_cli.alignment.words import Unalignable
from lst_cli.units.frames import FRAME_SAMPLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHORTEST_SILENCE = 2 * FRAME_SAMPLES
"""A gap between two words that is shorter than this (80 ms) is not a pause: each word gets half of it."""

_LONGEST_TAIL = 3_200
"""A word's sound reaches at most this far (200 ms) beyond the peaks of its letters."""
_SOFT_DB = 30.0
"""Frames this much softer than the loudest are silence."""
_LEAST_SOFT_FRAMES = 3
"""Soft frames in a row that make a pause; fewer are the closure of a stop."""


def loudness_db(wave_S: NDArray[np.float32], hop: int, offset: int, frames: int) -> NDArray[np.float64]:
    """Power of each frame [U] in decibels; frame ``u`` begins at sample ``offset + u * hop``."""
    power_S = np.concatenate([[0.0], np.cumsum(np.square(wave_S, dtype=np.float64))])
    edges = np.clip(offset + hop * np.arange(frames + 1), 0, len(wave_S))
    return 10 * np.log10(np.diff(power_S[edges]) / hop + 1e-10)


def reach_out(
    first_W: NDArray[np.int64], end_W: NDArray[np.int64], loudness_U: NDArray[np.float64], hop: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Widen words from the peaks of their letters to where they sound.

    A model trained with plain CTC predicts a letter in one frame and blank around it. So loud frames next to a word
    belong to it; between two words without a pause, half to each.
    """
    soft_U = loudness_U < np.quantile(loudness_U, 0.95) - _SOFT_DB
    starts_W, ends_W = first_W.copy(), end_W.copy()
    tail = _LONGEST_TAIL // hop
    for left in range(-1, len(first_W)):
        begin = int(end_W[left]) if left >= 0 else 0
        stop = int(first_W[left + 1]) if left + 1 < len(first_W) else len(soft_U)
        pause = _first_pause(soft_U[begin:stop]), _first_pause(soft_U[begin:stop][::-1])
        after, before = pause
        if after is None or before is None:
            after = before = (stop - begin) // 2
            if left in (-1, len(first_W) - 1):
                after = before = stop - begin
        if left >= 0:
            ends_W[left] = begin + min(after, tail)
        if left + 1 < len(first_W):
            starts_W[left + 1] = stop - min(before, tail)
    return starts_W, ends_W


def _first_pause(soft_U: NDArray[np.bool_]) -> int | None:
    """The index at which the first pause begins."""
    run = 0
    for index, soft in enumerate(soft_U.tolist()):
        run = run + 1 if soft else 0
        if run == _LEAST_SOFT_FRAMES:
            return index + 1 - run
    return None


def close_gaps(starts_W: NDArray[np.int64], ends_W: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide gaps that are too short for a pause between the two words."""
    starts_W, ends_W = starts_W.copy(), ends_W.copy()
    short = np.flatnonzero(starts_W[1:] - ends_W[:-1] < SHORTEST_SILENCE)
    middle = (starts_W[short + 1] + ends_W[short]) // 2
    starts_W[short + 1] = ends_W[short] = middle
    return starts_W, ends_W


def to_frames(starts_W: NDArray[np.int64], ends_W: NDArray[np.int64], frames: int) -> tuple[list[int], list[int]]:
    """Round words to speech tokens: ordered, not overlapping, one token long at least, within ``frames`` tokens.

    :raises Unalignable: there are more words than tokens.
    """
    if len(starts_W) > frames:
        raise Unalignable(f"{len(starts_W)} words in {frames} speech tokens")
    starts = np.floor(starts_W / FRAME_SAMPLES + 0.5).astype(int).tolist()
    ends = np.floor(ends_W / FRAME_SAMPLES + 0.5).astype(int).tolist()
    free = 0
    for i in range(len(starts)):
        starts[i] = max(starts[i], free)
        ends[i] = free = max(ends[i], starts[i] + 1)
    limit = frames
    for i in reversed(range(len(starts))):
        ends[i] = min(ends[i], limit)
        starts[i] = limit = min(starts[i], ends[i] - 1)
    return starts, ends
