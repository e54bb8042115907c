"""A stream of tokens, the input of patching; patches, its output; and causal rules.

Shape legend: T tokens of one or more documents laid end to end, K tokens of history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class TokenStream:
    """Concatenated documents."""

    unit_T: NDArray[np.integer]
    """The speech unit of each token; -1 for text tokens, markers and end tokens."""

    document_T: NDArray[np.integer]
    """Document of each token; documents are contiguous."""

    word_T: NDArray[np.integer] | None = None
    """For a speech token its word's index in the utterance, -1 for silence. None without an alignment."""

    resumes_T: NDArray[np.bool_] | None = None
    """Tokens at which a patch opens whatever the rule says: in decoding because everything before them was cut earlier,
    in scoring because another utterance begins. Rules look at the tokens of the run before them, and ignore how those
    are cut."""

    new_T: NDArray[np.bool_] | None = None
    """In decoding: tokens that were not there at the cut before. A rule may skip the others: those of an open patch did
    not end it."""

    @property
    def speech_T(self) -> NDArray[np.bool_]:
        """Which tokens are speech tokens."""
        speech_T: NDArray[np.bool_] = self.unit_T >= 0
        return speech_T

    def run_starts(self) -> NDArray[np.bool_]:
        """Which tokens open a run: the first of a document, every text token, the first of a run of speech."""
        starts_T = self._runs()
        if self.resumes_T is not None:
            starts_T |= self.resumes_T
        return starts_T

    def history(self, depth: int) -> NDArray[np.integer]:
        """The last units of each token's run, (T, K): its own, the one before it, and so on; -1 before the run."""
        place_T = since(self._runs())
        back_K = np.arange(depth)
        history_TK: NDArray[np.integer] = self.unit_T[np.maximum(np.arange(len(place_T))[:, None] - back_K, 0)]
        history_TK[back_K > place_T[:, None]] = -1
        return history_TK

    def _runs(self) -> NDArray[np.bool_]:
        text_T = self.unit_T < 0
        starts_T: NDArray[np.bool_] = text_T.copy()
        starts_T[:1] = True
        starts_T[1:] |= text_T[:-1]
        starts_T[1:] |= self.document_T[1:] != self.document_T[:-1]
        return starts_T


@dataclass(frozen=True, kw_only=True)
class Patches:
    """The patches of a stream.

    A patch may be used from the first token at which its end is known without looking ahead: from its own last
    token where :attr:`closes_T` says so, otherwise from the token after it.
    """

    opens_T: NDArray[np.bool_]
    """Which tokens open a patch."""

    closes_T: NDArray[np.bool_]
    """At which tokens it is known, from the past alone, that the token's patch ends with it."""

    def patch_T(self) -> NDArray[np.int32]:
        """Index of each token's patch, counted over the whole stream."""
        patch_T: NDArray[np.int32] = np.cumsum(self.opens_T, dtype=np.int32)
        patch_T -= 1
        return patch_T


class Rule(Protocol):
    """A way to cut streams that looks at the past alone, so decoding can follow it token by token."""

    @property
    def longest(self) -> int:
        """Tokens of the longest patch."""

    @property
    def context(self) -> int:
        """How many tokens of a run the rule looks at before the one where it decides."""

    def patch(self, stream: TokenStream) -> Patches:
        """Patch every run of speech; each text token is one patch."""


def since(starts_T: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Tokens since the last start (0 at a start). The first token must be a start."""
    index_T = np.arange(len(starts_T))
    since_T: NDArray[np.int64] = index_T - np.maximum.accumulate(np.where(starts_T, index_T, 0))
    return since_T
