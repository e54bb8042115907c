"""The frames of each letter, summed over all alignments of a transcript (forward-backward).

CTC (Graves et al. 2006) lets a blank stand between any two letters; a network then learns to predict each letter in
one frame and blank in all others, and does not say where a word ends. Here the blank may stand only before, between
and after words, so it comes to mean silence, and a letter lasts until the next one. The network's log-probabilities
are divided by the letters' priors first (Zeyer et al. 2017; Huang et al. 2024), without which the sum soon favours
the label that is already the most frequent.

Legend: B utterances, U frames, S states (letters, and an optional silence around every word), V labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lst_cli.alignment.emissions.spelling import BLANK, Spelling

_NEVER = -1e30


@dataclass(frozen=True)
class Lattice:
    """The states of an utterance, from left to right, some of which are optional."""

    labels_BS: Tensor
    skip_BS: Tensor
    """0 where the state before may be skipped, else practically minus infinity."""
    states_B: Tensor
    """States of each utterance; the others are padding."""


def lattice(spellings: Sequence[Spelling]) -> Lattice:
    """The order of the states: silence, the letters of a word, silence, the letters of the next, ... silence."""
    rows: list[list[int]] = []
    skips: list[list[float]] = []
    for spelling in spellings:
        row, skip = [BLANK], [_NEVER]
        for i, (label, word) in enumerate(zip(spelling.labels, spelling.words, strict=True)):
            begins = i > 0 and word != spelling.words[i - 1]
            if begins:
                row.append(BLANK)
                skip.append(_NEVER)
            row.append(label)
            skip.append(0.0 if begins else _NEVER)
        rows.append([*row, BLANK])
        skips.append([*skip, _NEVER])
    longest = max(map(len, rows))
    return Lattice(
        labels_BS=torch.tensor([row + [BLANK] * (longest - len(row)) for row in rows]),
        skip_BS=torch.tensor([skip + [_NEVER] * (longest - len(skip)) for skip in skips]),
        states_B=torch.tensor([len(row) for row in rows]),
    )


def occupancy(scores_BUV: Tensor, frames_B: Tensor, spellings: Sequence[Spelling]) -> Tensor:
    """The probability [B, U, V] that each frame belongs to each label, given the transcript.

    :param scores_BUV: log-probability of each label over its prior, any scale.
    :param frames_B: frames of each utterance; rows beyond are 0. At least as many as the utterance has letters.
    """
    states = lattice(spellings)
    frames = scores_BUV.shape[1]
    index_BUS = states.labels_BS[:, None].expand(-1, frames, -1)
    scores_BUS = scores_BUV.gather(2, index_BUS)
    padding_BS = torch.arange(states.labels_BS.shape[1]) >= states.states_B[:, None]
    scores_UBS = scores_BUS.masked_fill(padding_BS[:, None], _NEVER).transpose(0, 1).contiguous()
    live_UB1 = (torch.arange(frames)[:, None] < frames_B)[..., None]
    forward_UBS = _forward(scores_UBS, states, live_UB1)
    final_BS = _final(states)
    backward_UBS = _backward(scores_UBS, states, live_UB1, final_BS)
    total_B1 = torch.logsumexp(forward_UBS[-1] + final_BS, dim=-1, keepdim=True)
    shares_UBS = (forward_UBS + backward_UBS - total_B1).clamp(max=0).exp() * live_UB1
    return torch.zeros_like(scores_BUV).scatter_add_(2, index_BUS, shares_UBS.transpose(0, 1))


def _final(states: Lattice) -> Tensor:
    """An utterance ends in its last letter or in the silence after it."""
    rows = torch.arange(len(states.states_B))
    final_BS = torch.full(states.labels_BS.shape, _NEVER)
    final_BS[rows, states.states_B - 1] = 0
    final_BS[rows, states.states_B - 2] = 0
    return final_BS


def _forward(scores_UBS: Tensor, states: Lattice, live_UB1: Tensor) -> Tensor:
    """Log-probability of all beginnings that end in each state; it stands still where the utterance is over."""
    frames, utterances, width = scores_UBS.shape
    # Two columns that are never reached stand before the first state.
    sums = torch.full((frames, utterances, width + 2), _NEVER)
    sums[0, :, 2:4] = scores_UBS[0, :, :2]
    for u in range(1, frames):
        before = sums[u - 1]
        stay, step, leap = before[:, 2:], before[:, 1:-1], before[:, :-2] + states.skip_BS
        new_BS = torch.logaddexp(torch.logaddexp(stay, step), leap) + scores_UBS[u]
        sums[u, :, 2:] = torch.where(live_UB1[u], new_BS, stay)
    return sums[:, :, 2:]


def _backward(scores_UBS: Tensor, states: Lattice, live_UB1: Tensor, final_BS: Tensor) -> Tensor:
    """Log-probability of all endings that follow each state."""
    frames, utterances, width = scores_UBS.shape
    never_B2 = torch.full((utterances, 2), _NEVER)
    leap_BS = torch.cat([states.skip_BS, never_B2], dim=1)[:, 2:]
    sums = torch.empty(frames, utterances, width)
    sums[-1] = final_BS
    for u in range(frames - 2, -1, -1):
        after = torch.cat([sums[u + 1] + scores_UBS[u + 1], never_B2], dim=1)
        stay, step, leap = after[:, :-2], after[:, 1:-1], after[:, 2:] + leap_BS
        new_BS = torch.logaddexp(torch.logaddexp(stay, step), leap)
        sums[u] = torch.where(live_UB1[u + 1], new_BS, final_BS)
    return sums
