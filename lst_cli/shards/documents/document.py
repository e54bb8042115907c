"""Documents made from rows: segments of text and speech, each opened by its marker, closed by one end token.

Legend: D documents, S segments of all documents, T tokens of all documents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lst_cli.shards.documents.ragged import offsets
from lst_cli.shards.shard_rows import ShardRows
from lst_cli.text.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Concatenated documents. A document without tokens is a skipped row."""

    tokens_T: NDArray[np.int32]
    words_T: NDArray[np.int32]
    """Word of each speech token (index in its utterance); -1 for silence and text."""
    start_D: NDArray[np.int64]
    """Where each document starts, [D + 1]."""
    loss_from_D: NDArray[np.int64]
    """First token of each document that is a target, counted in the document."""
    unmerged_D: NDArray[np.int64] | None = None
    """Tokens of each document before a speech BPE has merged some; None if none has."""

    def __len__(self) -> int:
        return len(self.start_D) - 1

    @property
    def lengths_D(self) -> NDArray[np.int64]:
        """Tokens of each document."""
        return np.diff(self.start_D)

    @property
    def read_D(self) -> NDArray[np.int64]:
        """Number of tokens of each document before merging, by which the mixture's shares are counted."""
        return self.lengths_D if self.unmerged_D is None else self.unmerged_D


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Segments in the order of their documents; each is a range of a pool of token ids."""

    document_S: NDArray[np.int64]
    """Non-decreasing; documents without segments stay empty."""
    speech_S: NDArray[np.bool_]
    from_S: NDArray[np.int64]
    """First id of the range in the pool."""
    length_S: NDArray[np.int64]


def assemble(rows: ShardRows, segments: Segments, n_documents: int, vocabulary: Vocabulary) -> Documents:
    """Copy segments out of the pool, with a marker before each and an end token after each document."""
    document_S = segments.document_S
    is_last_S = np.append(document_S[1:] != document_S[:-1], True)[: len(document_S)]
    placed_S = segments.length_S + 1 + is_last_S
    start_S = offsets(placed_S)
    # A segment's marker and end token read the ids next to its range; both are overwritten.
    index_T = np.arange(start_S[-1]) + np.repeat(segments.from_S - 1 - start_S[:-1], placed_S)
    tokens_T = rows.pool.take(index_T, mode="clip")
    words_T = rows.words_of_pool.take(index_T, mode="clip")
    markers = start_S[:-1]
    ends = start_S[1:][is_last_S] - 1
    tokens_T[markers] = np.where(segments.speech_S, vocabulary.s_marker, vocabulary.t_marker)
    tokens_T[ends] = vocabulary.eos
    words_T[markers] = -1
    words_T[ends] = -1
    lengths_D = np.bincount(document_S, weights=placed_S, minlength=n_documents).astype(np.int64)
    return Documents(
        tokens_T=tokens_T,
        words_T=words_T,
        start_D=offsets(lengths_D),
        loss_from_D=np.ones(n_documents, np.int64),
    )


def whole_speech(rows: ShardRows, chosen: NDArray[np.int64]) -> Segments:
    """One speech segment for each chosen row that has speech."""
    length = rows.units_R[chosen]
    return _nonempty(np.arange(len(chosen)), True, rows.unit_start_R[chosen], length)


def whole_text(rows: ShardRows, chosen: NDArray[np.int64]) -> Segments:
    """One text segment for each chosen row that has text."""
    first = rows.piece_start_W[rows.word_start_R[chosen]]
    last = rows.piece_start_W[rows.word_start_R[chosen + 1]]
    return _nonempty(np.arange(len(chosen)), False, first, last - first)


def _nonempty(
    document: NDArray[np.int64], speech: bool, start: NDArray[np.int64], length: NDArray[np.int64]
) -> Segments:
    kept = length > 0
    return Segments(
        document_S=document[kept],
        speech_S=np.full(int(kept.sum()), speech),
        from_S=start[kept],
        length_S=length[kept],
    )


def question_answer(rows: ShardRows, chosen: NDArray[np.int64], *, asr: bool, vocabulary: Vocabulary) -> Documents:
    """``<s>`` speech ``<t>`` text for ASR, ``<t>`` text ``<s>`` speech for TTS, with loss on the answer only.

    The answer's marker belongs to the question. Rows without text or without speech give empty documents.
    """
    speech, text = whole_speech(rows, chosen), whole_text(rows, chosen)
    both = np.intersect1d(speech.document_S, text.document_S)
    first, second = (speech, text) if asr else (text, speech)
    first, second = _only(first, both), _only(second, both)
    documents = assemble(rows, _interleaved(first, second), len(chosen), vocabulary)
    documents.loss_from_D[both] = first.length_S + 2
    return documents


def _only(segments: Segments, documents: NDArray[np.int64]) -> Segments:
    kept = np.isin(segments.document_S, documents)
    return Segments(**{name: values[kept] for name, values in vars(segments).items()})


def _interleaved(first: Segments, second: Segments) -> Segments:
    """The first segment of each document before the second one."""
    pairs = zip(vars(first).items(), vars(second).values(), strict=True)
    return Segments(**{name: np.stack([a, b], axis=1).reshape(-1) for (name, a), b in pairs})
