"""A row group of a shard as flat numpy arrays, ready to be divided into documents.

Legend: R rows, N speech tokens of all rows, W words of all rows, L text tokens of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lst_cli.alignment.kinds import CHAR_STARTS, CHAR_STARTS_FIX
from lst_cli.errors import UserError
from lst_cli.hashing import text_id
from lst_cli.shards.schema import PIECE_STARTS, utterance_id
from lst_cli.text.vocabulary import Vocabulary

SpanUnit = Literal["word", "piece"]

SPEECH_COLUMNS = ("id", "units", "word_pieces", "starts", "ends")
TEXT_COLUMNS = ("pieces",)


@dataclass(frozen=True, kw_only=True)
class ShardRows:
    """Rows as ranges in a pool of token ids: the text tokens of all rows, then their speech tokens."""

    pool: NDArray[np.int32]
    """Token ids [L + N + 1]; the last one is never used and lets a range end with the pool."""
    words_of_pool: NDArray[np.int32]
    """Word (index in its row) of each id in the pool, or text token with ``spans="piece"``; -1 for silence and text."""
    unit_start_R: NDArray[np.int64]
    """Where each row's speech tokens start in the pool, [R + 1]."""
    word_start_R: NDArray[np.int64]
    """Where each row's words start in the arrays over W, [R + 1]."""
    piece_start_W: NDArray[np.int64]
    """Where each word's text tokens start in the pool, [W + 1]."""
    start_W: NDArray[np.int32]
    end_W: NDArray[np.int32]
    """First and last (exclusive) frame of each word, counted in its row."""
    key_R: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Hash of each row's id, for draws."""
    utterance_R: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Hash of the id of the utterance that each row is of: the same for all sentences cut from one."""

    def __len__(self) -> int:
        return len(self.word_start_R) - 1

    @property
    def words_R(self) -> NDArray[np.int64]:
        """Words of each row."""
        return np.diff(self.word_start_R)

    @property
    def units_R(self) -> NDArray[np.int64]:
        """Speech tokens of each row."""
        return np.diff(self.unit_start_R)

    @property
    def tokens_R(self) -> NDArray[np.int64]:
        """Text tokens and speech tokens of each row."""
        tokens_R: NDArray[np.int64] = self.units_R + np.diff(self.piece_start_W[self.word_start_R])
        return tokens_R

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        return sum(array.nbytes for array in vars(self).values())


def speech_rows(table: pa.Table, vocabulary: Vocabulary, spans: SpanUnit = "word") -> ShardRows:
    """Rows of speech shards, from the columns :data:`SPEECH_COLUMNS`; with ``spans="piece"``, ``piece_starts`` too.

    :param spans: what ``words_of_pool`` counts: words, or text tokens.
    :raises UserError: ids that the vocabulary does not have, or spans that are missing or do not fit the words or the
        tokens.
    """
    units, unit_start_R = _list(table, "units")
    start_W, word_start_R = _list(table, "starts")
    end_W, end_start_R = _list(table, "ends")
    pieces, piece_start_W, piece_words_R = _nested(table, "word_pieces")
    if not (np.array_equal(word_start_R, end_start_R) and np.array_equal(word_start_R, piece_words_R)):
        raise UserError("starts, ends and word_pieces are not of equal length", fix="make the shards again")
    _check_ids("speech token", units, vocabulary.units)
    _check_ids("text token", pieces, vocabulary.pieces)
    _check_spans(start_W, end_W, word_start_R, np.diff(unit_start_R))
    pool = np.concatenate([pieces, vocabulary.units_to_ids(units), np.zeros(1, np.int32)])
    silent = np.full(len(pieces), -1, np.int32)
    ids = table.column("id").to_pylist()
    key_R, utterances = _keys(ids), [utterance_id(id) for id in ids]
    if spans == "word":
        words = _words_of_units(start_W, end_W, word_start_R, unit_start_R)
    else:
        borders_L = _pieces(table, start_W, end_W, piece_start_W)
        words = _words_of_units(*borders_L, piece_start_W[word_start_R], unit_start_R)
    return ShardRows(
        pool=pool,
        words_of_pool=np.concatenate([silent, words, np.full(1, -1, np.int32)]),
        unit_start_R=unit_start_R + len(pieces),
        word_start_R=word_start_R,
        piece_start_W=piece_start_W,
        start_W=start_W,
        end_W=end_W,
        key_R=key_R,
        # Only shards that were split into sentences have others; hashing is the costly part.
        utterance_R=key_R if utterances == ids else _keys(utterances),
    )


def text_rows(table: pa.Table, vocabulary: Vocabulary) -> ShardRows:
    """Rows of text shards, from the columns :data:`TEXT_COLUMNS`: a row is one "word" without speech.

    :raises UserError: ids that the vocabulary does not have.
    """
    pieces, piece_start_R = _list(table, "pieces")
    _check_ids("text token", pieces, vocabulary.pieces)
    return ShardRows(
        pool=np.concatenate([pieces, np.zeros(1, np.int32)]),
        words_of_pool=np.full(len(pieces) + 1, -1, np.int32),
        unit_start_R=np.full(len(table) + 1, len(pieces), np.int64),
        word_start_R=np.arange(len(table) + 1),
        piece_start_W=piece_start_R,
        start_W=np.zeros(len(table), np.int32),
        end_W=np.zeros(len(table), np.int32),
    )


def _keys(ids: list[str]) -> NDArray[np.uint64]:
    return np.fromiter(map(text_id, ids), np.uint64, len(ids))


def _list(table: pa.Table, name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Values and offsets of a list column."""
    column = _whole(table.column(name))
    start = column.offsets.to_numpy().astype(np.int64)
    return column.values.to_numpy()[start[0] : start[-1]], start - start[0]


def _nested(table: pa.Table, name: str) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Values, inner offsets and outer offsets of a column of lists of lists."""
    column = _whole(table.column(name))
    outer = column.offsets.to_numpy().astype(np.int64)
    inner = column.values.offsets.to_numpy().astype(np.int64)[outer[0] : outer[-1] + 1]
    values = column.values.values.to_numpy()[inner[0] : inner[-1]] if len(inner) else np.zeros(0, np.int32)
    return values, inner - inner[0] if len(inner) else np.zeros(1, np.int64), outer - outer[0]


def _whole(column: pa.ChunkedArray) -> pa.ListArray:
    array = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    if array.null_count:
        raise UserError("a row is null", expected="a list in every row", fix="make the shards again")
    return array


def _check_ids(what: str, ids: NDArray[np.integer], size: int) -> None:
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < size:
        raise UserError(
            f"a {what} is out of range",
            found=f"{int(ids.min())} to {int(ids.max())}",
            expected=f"0 to {size - 1}",
            fix="use shards made with the model's own tokenizer and quantizer",
        )


def _check_spans(
    start_W: NDArray[np.int32],
    end_W: NDArray[np.int32],
    word_start_R: NDArray[np.int64],
    units_R: NDArray[np.int64],
) -> None:
    if not len(start_W):
        return
    before_W = np.concatenate([np.zeros(1, np.int32), end_W[:-1]])
    filled_R = np.diff(word_start_R) > 0
    before_W[word_start_R[:-1][filled_R]] = 0
    last_W = end_W[word_start_R[1:][filled_R] - 1]
    if (start_W < before_W).any() or (end_W <= start_W).any() or (last_W > units_R[filled_R]).any():
        raise UserError(
            "word spans overlap, are empty or reach beyond the speech tokens", fix="make the alignment and shards again"
        )


def _pieces(
    table: pa.Table, start_W: NDArray[np.int32], end_W: NDArray[np.int32], piece_start_W: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last (exclusive) frame of each text token. Those that begin with the next one are empty."""
    if PIECE_STARTS.name not in table.column_names:
        raise no_piece_starts(f"rows without the column {PIECE_STARTS.name}")
    starts_L, own_start_W, _ = _nested(table, PIECE_STARTS.name)
    pieces_W = np.diff(piece_start_W)
    word_L = np.repeat(np.arange(len(pieces_W)), pieces_W)
    opens_L = np.append(True, word_L[1:] != word_L[:-1])[: len(word_L)]
    fits = np.array_equal(own_start_W, piece_start_W)
    if fits:
        rises_L = np.diff(starts_L, prepend=0) >= 0
        fits = bool((np.where(opens_L, starts_L == 0, rises_L) & (starts_L <= (end_W - start_W)[word_L])).all())
    if not fits:
        raise UserError(
            "piece_starts do not fit the words and their text tokens",
            expected="for each text token a frame of its word: 0 for the first one, then never less than before",
            fix="make the shards again",
        )
    first_L = start_W[word_L].astype(np.int64) + starts_L
    last_L = np.where(
        np.append(opens_L[1:], True)[: len(word_L)], end_W[word_L], np.append(first_L[1:], 0)[: len(word_L)]
    )
    return first_L, last_L


def no_piece_starts(found: str, fix: str = CHAR_STARTS_FIX) -> UserError:
    """The error about patches of text tokens without their borders.

    :param found: what lacks them.
    """
    return UserError(
        "patching.spans=piece: where the text tokens of words begin is not known",
        found=found,
        expected=f"an alignment with the column {CHAR_STARTS}, and the shards of such an alignment",
        fix=fix,
    )


def _words_of_units(
    start_W: NDArray[np.integer],
    end_W: NDArray[np.integer],
    word_start_R: NDArray[np.int64],
    unit_start_R: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Word of each speech token: runs of silence, word, silence, word, ..., silence, filled at once."""
    words_R = np.diff(word_start_R)
    shift_W = np.repeat(unit_start_R[:-1], words_R)
    # The borders of all runs over the whole row group; silences may be empty. Between the last word of a row
    # and the first one of the next is one silence that spans both.
    borders = np.empty(2 * len(start_W) + 2, np.int64)
    borders[0], borders[-1] = 0, unit_start_R[-1]
    borders[1:-1:2] = start_W + shift_W
    borders[2:-1:2] = end_W + shift_W
    values = np.full(2 * len(start_W) + 1, -1, np.int32)
    values[1::2] = np.arange(len(start_W)) - np.repeat(word_start_R[:-1], words_R)
    return np.repeat(values, np.diff(borders))
