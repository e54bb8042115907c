"""Hazard patching: a patch ends where the last units and its own length say so.

The logit that a patch of length l ends with token t is ``sum over d of w_d[u_(t-d)] + v[l]``, learnt from aligned
speech. No aligner is needed afterwards, and the end is known at t itself: the patch closes one token earlier than an
aligned one. (A boundary predictor trained on known borders: Nawrot et al. 2023, "Efficient Transformers with Dynamic
Token Pooling", section 3.)

Shape legend: T tokens, D units that the rule looks at, U units and the start of the run, L lengths of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lst_cli.patching.ends import cut_at_ends
from lst_cli.patching.stream import Patches, TokenStream

SHORTEST = 2
"""A patch of one token is none that the rule makes: only the end of a run leaves one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Hazard:
    """The fitted rule."""

    weight_DU: NDArray[np.float32]
    """Weight of each unit by its distance in tokens. The last column is for positions before the run."""

    length_L: NDArray[np.float32]
    """Weight of the patch length, including the bias."""

    threshold: float
    """A patch ends where the logit is higher."""

    @property
    def longest(self) -> int:
        """Tokens of the longest patch."""
        return len(self.length_L)

    @property
    def context(self) -> int:
        """Tokens before the last one that the rule looks at."""
        return len(self.weight_DU) - 1

    def patch(self, stream: TokenStream) -> Patches:
        """Cut every run of speech where the hazard passes the threshold."""
        history_TD = stream.history(len(self.weight_DU))
        evidence_T = np.zeros(len(history_TD), np.float32)
        for weight_U, unit_T in zip(self.weight_DU, history_TD.T, strict=True):
            evidence_T += weight_U[unit_T]
        ends_TL = evidence_T[:, None] > self.threshold - self.length_L
        ends_TL[:, : SHORTEST - 1] = False
        return cut_at_ends(stream, ends_TL)
