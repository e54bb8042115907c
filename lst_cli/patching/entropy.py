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
"""Tokens whose logits exist at one time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Entropy:
    """The fitted rule and its language model."""

    input_DUH: NDArray[np.float32]
    """What each unit adds to the hidden values, by how many tokens ago it was, in steps of their integers."""

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
        history_TD = stream.history(len(self.input_DUH))
        entropy_T = np.zeros(len(history_TD), np.float32)
        speech_T = np.flatnonzero(stream.speech_T)
        for first in range(0, len(speech_T), _CHUNK):
            chosen_T = speech_T[first : first + _CHUNK]
            entropy_T[chosen_T] = self.entropies(history_TD[chosen_T])
        score_T = entropy_T
        if self.rises:
            has_before_T = stream.history(2)[:, 1] >= 0
            score_T = np.where(has_before_T, entropy_T - np.roll(entropy_T, 1), -np.inf)
        return cut_at_ends(stream, np.broadcast_to(score_T[:, None] > self.threshold, (len(score_T), self.longest)))

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
