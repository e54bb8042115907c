"""Interleaving: spans of an utterance's words become text, the others stay speech, drawn again at every reading.

Lu et al. 2025, section A.1.1. Every word appears once, in one modality. Text spans and speech spans alternate until
the words are used up; the end of the utterance truncates the last span. The silence between two spans is split
half and half (the odd frame goes to the later one): the half on the speech side stays in the sequence, the half on the
text side is dropped with the speech of the text's words. Silence before the first and after the last word belongs to
the first and the last span. An utterance without words stays speech as a whole.

Legend: D documents (one for each chosen row), K pairs of a text span and a speech span, S spans of all documents.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.errors import UserError
from lst_cli.hashing import integers, uniform
from lst_cli.shards.documents.document import Segments
from lst_cli.shards.documents.draws import Draw
from lst_cli.shards.documents.ragged import counted, offsets
from lst_cli.shards.shard_rows import ShardRows


@config_dataclass
class InterleaveConfig:
    """How utterances are divided into text and speech spans."""

    min_text_words: int = Field(default=5, ge=1, le=10**6)
    """Shortest text span, in words; shorter if ``max_share`` requires it."""

    max_text_words: int = Field(default=30, ge=1, le=10**6)
    """Longest text span, in words."""

    max_share: float = Field(default=0.6, gt=0, le=1)
    """Longest text span, as a share of the utterance's words (at least one word)."""

    speech_ratio: float = Field(default=0.5, gt=0, le=1e6)
    """Words in a speech span per word of the preceding text span (at least one word)."""

    speech_first: float = Field(default=0.5, ge=0, le=1)
    """Probability that a document begins with speech."""

    whole_speech: float = Field(default=0.0, ge=0, le=1)
    """Probability that a whole utterance stays speech (0 in the paper)."""

    def __post_init__(self) -> None:
        if self.min_text_words > self.max_text_words:
            raise UserError(
                "interleave.min_text_words and interleave.max_text_words",
                found=f"{self.min_text_words} and {self.max_text_words}",
                expected="min_text_words <= max_text_words",
            )


def interleaved(
    rows: ShardRows, chosen: NDArray[np.int64], config: InterleaveConfig, seed: int, epoch: int
) -> Segments:
    """Segments of the chosen rows: a pure function of (seed, epoch, utterance id)."""
    whole_D = uniform(seed, Draw.WHOLE_SPEECH, epoch, rows.key_R[chosen]) < config.whole_speech
    words_D = np.where(whole_D, 0, rows.words_R[chosen])
    document_S, speech_S, first_S, last_S = _spans(words_D, rows.key_R[chosen], config, seed, epoch)
    row_S = chosen[document_S]
    word_S = rows.word_start_R[row_S]
    words_S = words_D[document_S]
    unit_from_S = np.where(first_S > 0, _middle(rows, word_S + first_S, row_S), rows.unit_start_R[row_S])
    unit_to_S = np.where(last_S < words_S, _middle(rows, word_S + last_S, row_S), rows.unit_start_R[row_S + 1])
    piece_from_S = rows.piece_start_W[word_S + first_S]
    piece_to_S = rows.piece_start_W[word_S + last_S]
    from_S = np.where(speech_S, unit_from_S, piece_from_S)
    to_S = np.where(speech_S, unit_to_S, piece_to_S)
    return Segments(document_S=document_S, speech_S=speech_S, from_S=from_S, length_S=to_S - from_S)


def _spans(
    words_D: NDArray[np.int64], key_D: NDArray[np.uint64], config: InterleaveConfig, seed: int, epoch: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Document, modality, first and last (exclusive) word of each span."""
    most_D = np.clip(np.floor(config.max_share * words_D).astype(np.int64), 1, config.max_text_words)
    least_D = np.minimum(config.min_text_words, most_D)
    # Enough pairs to use up the words for any draw, also where the first text span is skipped.
    pairs_D = -(-words_D // (least_D + _speech_words(least_D, config))) + 1
    document_K = np.repeat(np.arange(len(words_D)), pairs_D)
    nth_K = counted(pairs_D)
    text_K = integers(least_D[document_K], most_D[document_K], seed, Draw.TEXT_SPAN, epoch, key_D[document_K], nth_K)
    speech_first_D = uniform(seed, Draw.FIRST_SEGMENT, epoch, key_D) < config.speech_first
    speech_first_D |= words_D == 0
    length_S = np.stack([text_K, _speech_words(text_K, config)], axis=1).reshape(-1)
    first_of_D = 2 * offsets(pairs_D)[:-1]
    length_S[first_of_D[speech_first_D]] = 0
    document_S = np.repeat(document_K, 2)
    placed_S = offsets(length_S)
    within_S = placed_S - np.append(np.repeat(placed_S[first_of_D], 2 * pairs_D), 0)
    first_S = np.minimum(within_S[:-1], words_D[document_S])
    last_S = np.minimum(within_S[:-1] + length_S, words_D[document_S])
    speech_S = np.arange(len(length_S)) % 2 == 1
    kept_S = last_S > first_S
    kept_S[first_of_D[words_D == 0] + 1] = True
    return document_S[kept_S], speech_S[kept_S], first_S[kept_S], last_S[kept_S]


def _speech_words(text_words: NDArray[np.int64], config: InterleaveConfig) -> NDArray[np.int64]:
    words: NDArray[np.int64] = np.floor(config.speech_ratio * text_words + 0.5).astype(np.int64)
    return np.maximum(words, 1)


def _middle(rows: ShardRows, word_S: NDArray[np.int64], row_S: NDArray[np.int64]) -> NDArray[np.int64]:
    """The middle of the silence before a word, as a place in the pool; of no meaning at an utterance's ends."""
    if not len(rows.start_W):
        return np.zeros(len(word_S), np.int64)
    before_S = rows.end_W.take(word_S - 1, mode="clip").astype(np.int64)
    after_S = rows.start_W.take(word_S, mode="clip")
    middle_S: NDArray[np.int64] = rows.unit_start_R[row_S] + before_S + (after_S - before_S) // 2
    return middle_S
