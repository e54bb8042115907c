"""A stream of tokens as patching sees it, and what patching answers.

Shape legend: T tokens of one or more documents laid end to end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class TokenStream:
    """Documents laid end to end."""

    speech_T: NDArray[np.bool_]
    """Which tokens are speech tokens; the others (text pieces, markers, end of document) are text."""

    document_T: NDArray[np.integer]
    """Document of each token; documents are contiguous."""

    word_T: NDArray[np.integer] | None = None
    """For a speech token its word's index in the utterance, -1 for silence. None where there is no alignment."""

    def run_starts(self) -> NDArray[np.bool_]:
        """Which tokens open a run: the first of a document, every text token, the first of a run of speech."""
        starts_T = ~self.speech_T
        starts_T[:1] = True
        starts_T[1:] |= ~self.speech_T[:-1]
        starts_T[1:] |= self.document_T[1:] != self.document_T[:-1]
        return starts_T


@dataclass(frozen=True, kw_only=True)
class Patches:
    """How a stream is cut into patches.

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


def since(starts_T: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Tokens since the last start (0 at a start). The first token must be a start."""
    index_T = np.arange(len(starts_T))
    since_T: NDArray[np.int64] = index_T - np.maximum.accumulate(np.where(starts_T, index_T, 0))
    return since_T
