from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.units.features.mfcc_config import MFCC
from lst_cli.units.features.registry import load_features
from lst_cli.units.frames import n_frames_of_many
from lst_cli.units.quantizer.frame_sample import FrameSample, sample_frames

EXTRACTOR = load_features(MFCC | {"window_s": 4.0, "context_s": 1.0})

LENGTHS = st.lists(st.integers(1, 20 * 16_000), min_size=1, max_size=40).map(np.array)


def _frames(samples: list[FrameSample], lengths: np.ndarray) -> list[int]:
    """Chosen frames, counted over the whole corpus."""
    frames = n_frames_of_many(lengths)
    starts = np.cumsum(frames) - frames
    chosen: list[int] = []
    for sample in samples:
        window = sample.piece.window
        assert np.all((sample.rows >= 0) & (sample.rows < window.frames))
        first = starts[sample.piece.row] + window.start // 640 + window.first
        chosen += (first + sample.rows).tolist()
    return chosen


@given(LENGTHS, st.integers(1, 3000), st.integers(0, 5))
def test_different_frames_in_order_as_many_as_wanted(lengths: np.ndarray, wanted: int, seed: int) -> None:
    chosen = _frames(sample_frames(lengths, wanted, seed, EXTRACTOR), lengths)
    total = int(n_frames_of_many(lengths).sum())
    assert all(a < b for a, b in itertools.pairwise(chosen))
    assert all(0 <= frame < total for frame in chosen)
    if total <= 2 * wanted:
        assert len(chosen) == min(wanted, total)
    else:
        # Pieces that two draws fell on count once, so a small sample of few pieces may be short of frames.
        assert 0 < len(chosen) <= wanted


def test_all_parts_of_a_large_corpus_are_heard_alike() -> None:
    lengths = np.full(20_000, 5 * 16_000)
    lengths[::7] = 16_000
    samples = sample_frames(lengths, 50_000, 0, EXTRACTOR)
    chosen = np.array(_frames(samples, lengths))
    total = int(n_frames_of_many(lengths).sum())
    assert len(chosen) == 50_000
    tenths = np.bincount(chosen * 10 // total)
    assert tenths.min() > 0.95 * 5_000 and tenths.max() < 1.05 * 5_000
    assert len(samples) < len(lengths) / 4, "only a part of the corpus has to be read"


def test_seed_decides() -> None:
    lengths = np.full(100, 5 * 16_000)
    first, again, other = (_frames(sample_frames(lengths, 500, seed, EXTRACTOR), lengths) for seed in (1, 1, 2))
    assert first == again != other
