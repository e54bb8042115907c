"""A packed batch: concatenated documents in one flat row, with their patches.

Shape legend: T tokens, P positions of the global transformer (patches).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lst_cli.patching.strategies import Cut, Patcher
from lst_cli.patching.stream import Patches, TokenStream
from lst_cli.text.vocabulary import Vocabulary

IGNORE = -1
"""Target of a token whose next token has no loss."""

PADDING = -1
"""Document and patch of a padding token, and document of a padding position."""


@dataclass(frozen=True, kw_only=True)
class Packed:
    """The model's input. Padding is at the end of both axes (and possibly between documents in P)."""

    tokens_T: NDArray[np.int32]
    targets_T: NDArray[np.int32]
    """The next token, or :data:`IGNORE`."""
    document_T: NDArray[np.int32]
    patch_T: NDArray[np.int32]
    """Global position of each token's patch; non-decreasing."""
    closes_T: NDArray[np.bool_]
    """See :class:`~lst_cli.patching.stream.Patches`."""
    document_P: NDArray[np.int32]

    def padded(self, tokens: int, positions: int) -> Packed:
        """The same batch with padding up to a number of tokens and positions.

        :raises ValueError: it is longer than that already.
        """
        more_T, more_P = tokens - len(self.tokens_T), positions - len(self.document_P)
        if more_T < 0 or more_P < 0:
            raise ValueError(f"{len(self.tokens_T)} tokens in {len(self.document_P)} positions do not fit")
        return Packed(
            tokens_T=np.pad(self.tokens_T, (0, more_T)),
            targets_T=np.pad(self.targets_T, (0, more_T), constant_values=IGNORE),
            document_T=np.pad(self.document_T, (0, more_T), constant_values=PADDING),
            patch_T=np.pad(self.patch_T, (0, more_T), constant_values=PADDING),
            closes_T=np.pad(self.closes_T, (0, more_T)),
            document_P=np.pad(self.document_P, (0, more_P), constant_values=PADDING),
        )


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document: segments opened by their markers, closed (when it is whole) by the end token."""

    tokens: NDArray[np.integer]
    loss_from: int = 1
    """Index of the first token that is a target."""
    words: NDArray[np.integer] | None = None
    """Word of each token, for aligned cuts; -1 for silence and text."""
    border: int | None = None
    """Index of a token that opens a patch whatever the rule says: the first of a second utterance in one run."""


def pack(
    tokens_T: NDArray[np.integer],
    targets_T: NDArray[np.integer],
    document_T: NDArray[np.integer],
    patches: Patches,
) -> Packed:
    """Pack a stream whose patches are known, without padding."""
    return Packed(
        tokens_T=tokens_T.astype(np.int32),
        targets_T=targets_T.astype(np.int32),
        document_T=document_T.astype(np.int32),
        patch_T=patches.patch_T(),
        closes_T=patches.closes_T,
        document_P=document_T[patches.opens_T].astype(np.int32),
    )


def pack_documents(documents: Sequence[Document], vocabulary: Vocabulary, patcher: Patcher, cut: Cut) -> Packed:
    """Pack whole documents in their order, without padding.

    :raises ValueError: there are no tokens.
    """
    if not any(len(document.tokens) for document in documents):
        raise ValueError("there is nothing to pack")
    lengths = [len(document.tokens) for document in documents]
    tokens_T = np.concatenate([document.tokens for document in documents]).astype(np.int32)
    document_T = np.repeat(np.arange(len(documents), dtype=np.int32), lengths)
    word_T = None
    if all(document.words is not None for document in documents):
        word_T = np.concatenate([document.words for document in documents if document.words is not None])
    stream = TokenStream(
        unit_T=vocabulary.speech_units(tokens_T),
        document_T=document_T,
        word_T=word_T,
        resumes_T=_borders(documents, lengths),
    )
    return pack(tokens_T, _targets(tokens_T, lengths, documents), document_T, patcher.patch(stream, cut))


def _borders(documents: Sequence[Document], lengths: list[int]) -> NDArray[np.bool_] | None:
    """Which tokens open a patch whatever the rule says; None if no document names one."""
    starts = np.cumsum([0, *lengths[:-1]])
    named = [
        start + document.border
        for start, document in zip(starts, documents, strict=True)
        if document.border is not None
    ]
    if not named:
        return None
    borders_T = np.zeros(sum(lengths), np.bool_)
    borders_T[named] = True
    return borders_T


def _targets(tokens_T: NDArray[np.int32], lengths: list[int], documents: Sequence[Document]) -> NDArray[np.int32]:
    targets_T = np.append(tokens_T[1:], IGNORE).astype(np.int32)
    start = 0
    for length, document in zip(lengths, documents, strict=True):
        if length:
            targets_T[start : start + min(document.loss_from, length) - 1] = IGNORE
            targets_T[start + length - 1] = IGNORE
        start += length
    return targets_T
