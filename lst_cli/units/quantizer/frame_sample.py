"""Which frames of a corpus k-means learns from: spread evenly over all of it, by a seed.

Legend: U utterances, P pieces, S chosen frames.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.hashing import uniform
from lst_cli.units.frames import n_frames_of_many
from lst_cli.units.input.pieces import Piece, cut_pieces
from lst_cli.units.input.windows import core_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.units.features.registry import FeatureExtractor

_PIECES = 1
_FRAMES = 2
"""Ids that keep the draws of pieces and of frames apart."""

_OVERSAMPLING = 2
"""Of a large corpus, pieces with this many times the wanted frames are read: reading them is the work, though
neighbouring frames add little."""


@dataclass(frozen=True)
class FrameSample:
    """Frames to take from a piece."""

    piece: Piece
    rows: NDArray[np.int64]
    """Which of the piece's own frames, ascending."""


def sample_frames(
    samples_U: NDArray[np.int64], wanted: int, seed: int, extractor: FeatureExtractor
) -> list[FrameSample]:
    """Choose ``wanted`` different frames, or all there are: one from each of ``wanted`` equal intervals.

    Where the corpus holds more than twice as many frames, a part of its pieces is chosen first, in the same way:
    each piece with a chance in proportion to its length.

    :param samples_U: the length of each utterance at 16 kHz.
    """
    frames_U = n_frames_of_many(samples_U)
    total = int(frames_U.sum())
    core = core_frames(extractor.window_samples, extractor.context_samples)
    cut_U = samples_U > extractor.window_samples
    pieces_U = np.where(cut_U, -(-frames_U // core), 1)
    if total > _OVERSAMPLING * wanted:
        spots = _OVERSAMPLING * wanted * int(pieces_U.sum()) // total + 1
        places = _spread(total, spots, seed, _PIECES)
        ends_U = np.cumsum(frames_U)
        rows = np.searchsorted(ends_U, places, side="right")
        within = places - (ends_U - frames_U)[rows]
        chosen = np.unique(np.stack([rows, np.where(cut_U[rows], within // core, 0)]), axis=1)
    else:
        rows = np.repeat(np.arange(len(samples_U)), pieces_U)
        chosen = np.stack([rows, np.arange(len(rows)) - (np.cumsum(pieces_U) - pieces_U)[rows]])
    pieces = [_piece(int(row), int(samples_U[row]), int(number), extractor) for row, number in chosen.T]
    return _choose(pieces, wanted, seed)


def _piece(row: int, samples: int, number: int, extractor: FeatureExtractor) -> Piece:
    return next(itertools.islice(cut_pieces(row, samples, extractor), number, None))


def _choose(pieces: Sequence[Piece], wanted: int, seed: int) -> list[FrameSample]:
    """``wanted`` frames of these pieces."""
    frames_P = np.array([piece.window.frames for piece in pieces], dtype=np.int64)
    ends_P = np.cumsum(frames_P)
    total = int(frames_P.sum())
    places_S = np.arange(total) if total <= wanted else _spread(total, wanted, seed, _FRAMES)
    cuts_P = np.searchsorted(places_S, ends_P)
    samples = []
    for piece, end, first, last in zip(pieces, ends_P, [0, *cuts_P[:-1]], cuts_P, strict=True):
        if last > first:
            samples.append(FrameSample(piece, places_S[first:last] - (end - piece.window.frames)))
    return samples


def _spread(total: int, wanted: int, seed: int, draw: int) -> NDArray[np.int64]:
    """``wanted`` different ascending numbers below ``total``, one from each of ``wanted`` equal intervals."""
    wanted = min(wanted, total)
    jitter = uniform(seed, draw, np.arange(wanted))
    # Stretches are at least 1 long; rounding down both ends and drawing between them keeps the numbers apart.
    edges = np.arange(wanted + 1) * total // wanted
    rows: NDArray[np.int64] = edges[:-1] + np.floor(jitter * np.diff(edges)).astype(np.int64)
    return rows
