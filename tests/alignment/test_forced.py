from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.alignment.emissions.spelling import Spelling
from lst_cli.alignment.forced import best_path, word_spans
from lst_cli.alignment.words import Unalignable


def random_scores(frames: int, seed: int) -> torch.Tensor:
    return torch.log_softmax(3 * torch.randn(frames, 6, generator=torch.Generator().manual_seed(seed)), dim=-1)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 20), st.integers(0, 99))
def test_every_label_once_in_order(labels: list[int], spare: int, seed: int) -> None:
    repeats = sum(left == right for left, right in pairwise(labels))
    position_U = best_path(random_scores(len(labels) + repeats + spare, seed), tuple(labels), 0)
    heard = position_U[position_U >= 0]
    assert sorted(set(heard.tolist())) == list(range(len(labels)))
    assert (np.diff(heard) >= 0).all()


def test_too_many_letters() -> None:
    with pytest.raises(Unalignable, match="3 letters in 2 frames"):
        best_path(random_scores(2, 0), (1, 2, 3), 0)
    with pytest.raises(Unalignable):  # a blank must stand between two equal letters
        best_path(random_scores(2, 0), (1, 1), 0)


def test_no_warning_reaches_the_user() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        best_path(random_scores(5, 0), (1, 2), 0)


def test_words_and_confidence() -> None:
    logp_UV = torch.full((8, 4), -9.0)
    for frame, label in enumerate([0, 1, 1, 0, 2, 3, 3, 0]):
        logp_UV[frame, label] = -0.1
    spelling = Spelling((1, 3, 2, 3), (0, -1, 1, 1), (0, -1, 0, 1))  # 3 also serves as a separator
    logp_UV[3, 3] = -0.1
    first_W, end_W, scores_W = word_spans(logp_UV, spelling, best_path(logp_UV, spelling.labels, 0))
    assert (first_W.tolist(), end_W.tolist()) == ([1, 4], [3, 7])
    assert scores_W.tolist() == [0.0, 0.0]
    logp_UV[5, 3] = -9.0
    logp_UV[5, 1] = -0.1
    assert word_spans(logp_UV, spelling, np.array([-1, 0, 0, 1, 2, 3, 3, -1]))[2][1] < -2
