from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.units.frames import FRAME_SAMPLES, n_frames, n_frames_of_many
from lst_cli.units.input.windows import cut_windows

SECOND = 16_000


def test_a_frame_is_forty_milliseconds_and_a_short_clip_has_one() -> None:
    assert [n_frames(n) for n in (1, 639, 640, 1279, 1280, SECOND)] == [1, 1, 1, 1, 2, 25]
    lengths = np.array([1, 639, 640, 1279, 1280, SECOND])
    assert n_frames_of_many(lengths).tolist() == [n_frames(int(n)) for n in lengths]


@given(st.integers(1, 200 * SECOND), st.integers(3, 60), st.integers(0, 1))
def test_windows_keep_every_frame_once_within_their_bounds(samples: int, window_s: int, context_s: int) -> None:
    window, context = window_s * SECOND, context_s * SECOND
    cut = cut_windows(samples, window, context)
    kept: list[int] = []
    for piece in cut:
        assert piece.start % FRAME_SAMPLES == 0
        assert 0 <= piece.start < piece.stop <= samples
        # The rest that is too short for a frame of its own comes on top.
        assert piece.stop - piece.start < window + FRAME_SAMPLES
        assert piece.first + piece.frames <= n_frames(piece.stop - piece.start)
        first = piece.start // FRAME_SAMPLES + piece.first
        kept += range(first, first + piece.frames)
        if len(cut) > 1:
            before, after = piece.first * FRAME_SAMPLES, piece.stop - (first + piece.frames) * FRAME_SAMPLES
            assert before == context or piece.start == 0
            assert after >= context or piece.stop == samples
    assert kept == list(range(n_frames(samples)))


def test_a_clip_as_long_as_the_window_is_heard_whole() -> None:
    assert len(cut_windows(60 * SECOND, 60 * SECOND, 5 * SECOND)) == 1
    assert len(cut_windows(60 * SECOND + 1, 60 * SECOND, 5 * SECOND)) == 2
