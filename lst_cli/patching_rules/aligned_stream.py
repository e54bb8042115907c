"""Aligned speech as patching sees it: whole utterances, and which token ends a word or a silence.

Legend: T tokens of all utterances, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lst_cli.alignment.read_alignment import Aligned
from lst_cli.patching.stream import TokenStream


def utterance_stream(utterances: Sequence[Aligned]) -> TokenStream:
    """Utterances as documents of pure speech, with their words."""
    return TokenStream(
        unit_T=np.concatenate([utterance.units_T for utterance in utterances]).astype(np.int32),
        document_T=np.repeat(np.arange(len(utterances)), [utterance.tokens for utterance in utterances]),
        word_T=np.concatenate([utterance.word_T() for utterance in utterances]),
    )


def span_ends(stream: TokenStream) -> NDArray[np.bool_]:
    """Which tokens are the last of a word or of a silence. The last token of a document is none: nothing follows."""
    assert stream.word_T is not None
    ends_T = np.zeros(len(stream.word_T), np.bool_)
    ends_T[:-1] = (stream.word_T[1:] != stream.word_T[:-1]) & (stream.document_T[1:] == stream.document_T[:-1])
    return ends_T
