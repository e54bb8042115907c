"""Forced alignment: the best alignment of an utterance's labels to a model's frames, and its words.

Legend: U frames of the model, V labels, L labels of the utterance, W words.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from lst_cli.alignment.emissions.spelling import Spelling
from lst_cli.alignment.words import Unalignable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def best_path(logp_UV: Tensor, labels: tuple[int, ...], blank: int) -> NDArray[np.int64]:
    """The position in ``labels`` of each frame [U], -1 for blank.

    :param logp_UV: log-probabilities, or any scores to be summed.
    :raises Unalignable: there are more labels than frames.
    """
    from torchaudio.functional import forced_align

    repeats = sum(left == right for left, right in pairwise(labels))
    if len(labels) + repeats > len(logp_UV):
        raise Unalignable(f"{len(labels)} letters in {len(logp_UV)} frames: more than can be spoken")
    with warnings.catch_warnings():
        # torchaudio 2.9 announces that 2.10 drops this function; the constraint on its version is ours to keep.
        warnings.filterwarnings("ignore", message=".*forced_align.*", category=UserWarning)
        path_1U, _ = forced_align(logp_UV[None].float(), torch.tensor([labels], dtype=torch.int32), blank=blank)
    path_U = path_1U[0].numpy()
    before_U = np.concatenate([[blank], path_U[:-1]])
    begins_U = (path_U != blank) & (path_U != before_U)
    position_U = np.cumsum(begins_U) - 1
    return np.where(path_U == blank, -1, position_U)


def word_spans(
    logp_UV: Tensor, spelling: Spelling, position_U: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """First frame, end frame (exclusive) and log score of each word [W].

    The score compares a word's letters with the labels that the model finds most likely in the same frames: the mean
    of log p(letter) - log p(best label), 0 where they agree.
    """
    owner_L = np.array(spelling.words)
    spoken_U = np.flatnonzero(position_U >= 0)
    spoken_U = spoken_U[owner_L[position_U[spoken_U]] >= 0]
    word_U = owner_L[position_U[spoken_U]]
    words = int(owner_L.max()) + 1
    first_W = np.full(words, len(position_U), dtype=np.int64)
    end_W = np.zeros(words, dtype=np.int64)
    np.minimum.at(first_W, word_U, spoken_U)
    np.maximum.at(end_W, word_U, spoken_U + 1)
    label_U = np.array(spelling.labels)[position_U[spoken_U]]
    ratio_U = (logp_UV[spoken_U, label_U] - logp_UV[spoken_U].amax(dim=1)).numpy()
    sums_W = np.bincount(word_U, weights=ratio_U, minlength=words)
    return first_W, end_W, sums_W / np.bincount(word_U, minlength=words)


def label_begins(spelling: Spelling, position_U: NDArray[np.int64]) -> NDArray[np.int64]:
    """The frame at which each label begins [L]; blank frames between two letters of a word are halved."""
    spoken_U = np.flatnonzero(position_U >= 0)
    labels_L = np.arange(len(spelling.labels))
    begin_L = spoken_U[np.searchsorted(position_U[spoken_U], labels_L)]
    end_L = spoken_U[np.searchsorted(position_U[spoken_U], labels_L, side="right") - 1] + 1
    owner_L = np.array(spelling.words)
    letter_L = np.flatnonzero(owner_L >= 0)
    inner_L = np.flatnonzero(owner_L[letter_L][1:] == owner_L[letter_L][:-1])
    before_L, after_L = letter_L[inner_L], letter_L[inner_L + 1]
    begin_L[after_L] = (end_L[before_L] + begin_L[after_L]) // 2
    return begin_L
