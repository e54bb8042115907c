"""Entropy patching: a patch ends where a small unit language model is unsure of the next unit.

Two rules, as for bytes (Pagnoni et al. 2024, "Byte Latent Transformer", section 2.3): the entropy of the next unit
passes a threshold, or rises by more than one since the token before. No labels are needed. The entropy of unit t + 1 is
known at t, so every patch but the last of a run closes itself.

The model is a feed-forward one over the last units (Bengio et al. 2003, "A Neural Probabilistic Language Model"), so
what it says of a token depends on those units alone, however the tokens are laid out. Its second layer computes with
integers, whose sums in float32 are exact in any order: decoding, token by token, finds the same bits as training.

Shape legend: T tokens, D units that the model looks at, U units (and for inputs the start of the run), H hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lst_cli.patching.ends import cut_at_ends
from lst_cli.patching.stream import Patches, TokenStream

LEVELS = 127
"""Hidden values and weights of the second layer are integers up to this: 1,000 products of them are below 2**24."""

_CHUNK = 1024
"""Tokens per chunk of logits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Entropy:
    """The fitted rule and its language model."""

    input_DUH: NDArray[np.float32]
    """Contribution of each unit to the hidden values by its distance in tokens, in integer steps."""

    bias_H: NDArray[np.float32]
    output_HU: NDArray[np.int8]
    output_step: float
    """Logits for one step of the sums over hidden values."""

    bias_U: NDArray[np.float32]
    rises: bool
    """Whether the rise of the entropy since the token before counts, and not the entropy."""

    longest: int
    """Tokens of the longest patch."""

    threshold: float
    """In nats. A patch ends where the entropy, or its rise, is higher."""

    @property
    def context(self) -> int:
        """Tokens before the last one that the rule looks at."""
        return len(self.input_DUH) - 1 + int(self.rises)

    def patch(self, stream: TokenStream) -> Patches:
        """Cut every run of speech where the next unit is uncertain."""
        asked_T = stream.speech_T if stream.new_T is None else stream.speech_T & stream.new_T
        history_TD = stream.history(len(self.input_DUH))
        if self.rises:
            asked_T = asked_T & (history_TD[:, 1] >= 0)
            score_T = self._where(asked_T | np.append(asked_T[1:], False), history_TD)
            score_T[1:] -= score_T[:-1].copy()
        else:
            score_T = self._where(asked_T, history_TD)
        ends_T = asked_T & (score_T > self.threshold)
        return cut_at_ends(stream, np.broadcast_to(ends_T[:, None], (len(ends_T), self.longest)))

    def _where(self, asked_T: NDArray[np.bool_], history_TD: NDArray[np.integer]) -> NDArray[np.float32]:
        """Entropies after the given tokens."""
        entropy_T = np.zeros(len(asked_T), np.float32)
        places = np.flatnonzero(asked_T)
        for first in range(0, len(places), _CHUNK):
            chosen = places[first : first + _CHUNK]
            entropy_T[chosen] = self.entropies(history_TD[chosen])
        return entropy_T

    def entropies(self, history_TD: NDArray[np.integer]) -> NDArray[np.float32]:
        """Entropy of the unit after each history, in nats."""
        hidden_TH = np.repeat(self.bias_H[None], len(history_TD), 0)
        for input_UH, unit_T in zip(self.input_DUH, history_TD.T, strict=True):
            hidden_TH += input_UH[unit_T]
        hidden_TH = np.rint(np.clip(hidden_TH, 0, LEVELS))
        logit_TU = (hidden_TH @ self.output_HU.astype(np.float32)) * np.float32(self.output_step) + self.bias_U
        logit_TU -= logit_TU.max(1, keepdims=True)
        odds_TU = np.exp(logit_TU)
        total_T = odds_TU.sum(1)
        entropy_T: NDArray[np.float32] = np.log(total_T) - (odds_TU * logit_TU).sum(1) / total_T
        return entropy_T
