"""Trains the unit language model of entropy patching.

Legend: T tokens, N examples (a history and the unit after it), D units that the model looks at, U units, H hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lst_cli.errors import UserError
from lst_cli.hashing import integers, permutation, uniform
from lst_cli.patching.entropy import LEVELS, Entropy
from lst_cli.patching.stream import TokenStream

DEPTH = 8
HIDDEN = 256
_BATCH = 512
_MOST_STEPS = 6000
_CHECK_EVERY = 100
_PATIENCE = 5
"""Checks without a lower loss on held-out utterances, after which training stops."""
_HELD_OUT = 0.1
_BROKEN = 0.2
"""Share of examples with randomly truncated history: in inference, speech may begin in the middle of a word."""


class UnitLm(nn.Module):
    """A feed-forward language model over the last units."""

    def __init__(self, units: int, generator: torch.Generator) -> None:
        """Random weights; the input ``units`` is for positions before the run."""
        super().__init__()
        self.input_DUH = nn.Parameter(torch.randn(DEPTH, units + 1, HIDDEN, generator=generator) * 0.1)
        self.bias_H = nn.Parameter(torch.zeros(HIDDEN))
        self.output_HU = nn.Parameter(torch.randn(HIDDEN, units, generator=generator) * HIDDEN**-0.5)
        self.bias_U = nn.Parameter(torch.zeros(units))

    def hidden(self, history_ND: Tensor) -> Tensor:
        """Hidden values (N, H), not negative."""
        return (self.bias_H + self.input_DUH[torch.arange(DEPTH), history_ND].sum(1)).relu()

    def forward(self, history_ND: Tensor) -> Tensor:
        """Logits (N, U) of the next unit."""
        return self.hidden(history_ND) @ self.output_HU + self.bias_U


@dataclass(frozen=True)
class FittedLm:
    """The trained model as a rule without a threshold, and how good it is."""

    rule: Entropy
    bits: float
    """Of a unit of held-out utterances."""
    held_out: TokenStream
    """These utterances. The model is overconfident on its training data, so the threshold is set on these."""


def fit_unit_lm(stream: TokenStream, units: int, *, rises: bool, longest: int, seed: int) -> FittedLm:
    """Train on whole utterances, and keep the weights with the lowest loss on a tenth of them.

    :raises UserError: there are fewer than two utterances.
    """
    documents = int(stream.document_T[-1]) + 1
    held_T = np.isin(stream.document_T, permutation(documents, seed)[: max(1, round(_HELD_OUT * documents))])
    history_ND, next_N, held_N = _examples(stream, units, held_T)
    if held_N.all() or not held_N.any():
        raise UserError("too few utterances to train a unit language model", expected="at least two utterances")
    model = UnitLm(units, torch.Generator().manual_seed(seed))
    bits = _train(model, history_ND[~held_N], next_N[~held_N], history_ND[held_N], next_N[held_N], seed)
    with torch.no_grad():
        rule = _rounded(model, torch.from_numpy(history_ND), rises=rises, longest=longest)
    held_out = TokenStream(unit_T=stream.unit_T[held_T], document_T=stream.document_T[held_T])
    return FittedLm(rule, bits, held_out)


def _examples(
    stream: TokenStream, units: int, held_T: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Histories, the units after them, and which examples are of held-out utterances."""
    followed_T = np.append(stream.document_T[1:] == stream.document_T[:-1], False)
    history_ND = stream.history(DEPTH)[followed_T].astype(np.int64) % (units + 1)
    next_N = stream.unit_T[np.flatnonzero(followed_T) + 1].astype(np.int64)
    return history_ND, next_N, held_T[followed_T]


def _train(
    model: UnitLm,
    history_ND: NDArray[np.int64],
    next_N: NDArray[np.int64],
    held_history_ND: NDArray[np.int64],
    held_next_N: NDArray[np.int64],
    seed: int,
) -> float:
    """Train until the held-out loss stops falling, and keep the best weights; returns their loss in bits."""
    start = model.input_DUH.shape[1] - 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    best, best_state, waited = float("inf"), model.state_dict(), 0
    held_history, held_next = torch.from_numpy(held_history_ND), torch.from_numpy(held_next_N)
    for step in range(_MOST_STEPS):
        chosen_N = integers(0, len(next_N) - 1, seed, step, np.arange(_BATCH))
        cut_N = integers(1, DEPTH, seed, step, np.arange(_BATCH), 1)
        cut_N[uniform(seed, step, np.arange(_BATCH), 2) >= _BROKEN] = DEPTH
        drawn_ND = np.where(np.arange(DEPTH) < cut_N[:, None], history_ND[chosen_N], start)
        loss = cross_entropy(model(torch.from_numpy(drawn_ND)), torch.from_numpy(next_N[chosen_N]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if (step + 1) % _CHECK_EVERY:
            continue
        with torch.no_grad():
            found = float(cross_entropy(model(held_history), held_next))
        waited += 1
        if found < best:
            best, waited = found, 0
            best_state = {name: value.clone() for name, value in model.state_dict().items()}
        if waited == _PATIENCE:
            break
    model.load_state_dict(best_state)
    return best / float(np.log(2))


def _rounded(model: UnitLm, history_ND: Tensor, *, rises: bool, longest: int) -> Entropy:
    """The model with integers in its second layer."""
    largest = max(float(model.hidden(part_ND).max()) for part_ND in torch.split(history_ND, 1 << 14))
    hidden_step = max(largest, 1e-6) / LEVELS
    weight_step = float(model.output_HU.abs().max()) / LEVELS
    return Entropy(
        input_DUH=(model.input_DUH / hidden_step).numpy(),
        bias_H=(model.bias_H / hidden_step).numpy(),
        output_HU=(model.output_HU / weight_step).round().to(torch.int8).numpy(),
        output_step=hidden_step * weight_step,
        bias_U=model.bias_U.numpy(),
        rises=rises,
        longest=longest,
        threshold=0.0,
    )
