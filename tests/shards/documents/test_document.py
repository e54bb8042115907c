"""The other forms of documents, and rows that can't be what they say."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from lst_cli.errors import UserError
from lst_cli.shards.documents.forms import Form, Maker
from lst_cli.shards.documents.interleave import InterleaveConfig
from lst_cli.shards.shard_rows import speech_rows
from lst_cli.text.vocabulary import Vocabulary
from tests.shards.making import VOCABULARY, rows, table, utterance

V = VOCABULARY
MADE = [utterance("a", 3, 1), utterance("b", 0, 2), utterance("c", 5, 3)]


def made(form: Form) -> tuple[list[list[int]], list[int]]:
    documents = Maker(vocabulary=V, interleave=InterleaveConfig(), seed=0).documents(
        form, rows(MADE), np.array([2, 1, 0]), 0
    )
    borders = documents.start_D
    tokens = [documents.tokens_T[a:b].tolist() for a, b in itertools.pairwise(borders)]
    return tokens, documents.loss_from_D.tolist()


def speech(u: int) -> list[int]:
    return [V.s_marker, *(V.speech_start + frame for frame in range(MADE[u].frames))]


def text(u: int) -> list[int]:
    return [V.t_marker, *(10 + w for w, n in enumerate(MADE[u].pieces) for _ in range(n))]


def test_speech() -> None:
    assert made("speech") == ([[*speech(u), V.eos] for u in (2, 1, 0)], [1, 1, 1])


def test_text_passes_over_rows_without_words() -> None:
    assert made("text")[0] == [[*text(2), V.eos], [], [*text(0), V.eos]]


def test_asr_and_tts_lose_on_the_answer_only() -> None:
    tokens, loss_from = made("asr")
    assert tokens == [[*speech(2), *text(2), V.eos], [], [*speech(0), *text(0), V.eos]]
    assert [loss_from[0], loss_from[2]] == [len(speech(2)) + 1, len(speech(0)) + 1]
    tokens, loss_from = made("tts")
    assert tokens == [[*text(2), *speech(2), V.eos], [], [*text(0), *speech(0), V.eos]]
    assert [loss_from[0], loss_from[2]] == [len(text(2)) + 1, len(text(0)) + 1]


def test_pieces_share_the_frames_of_their_word() -> None:
    by_word, by_piece = (speech_rows(table(MADE), V, spans) for spans in ("word", "piece"))
    for r, u in enumerate(MADE):
        part = slice(by_word.unit_start_R[r], by_word.unit_start_R[r + 1])
        words, pieces = by_word.words_of_pool[part], by_piece.words_of_pool[part]
        assert ((words == -1) == (pieces == -1)).all()
        owner = np.repeat(np.arange(len(u.pieces)), u.pieces)
        assert (owner[pieces[pieces >= 0]] == words[words >= 0]).all()
        for w, (n, start, end) in enumerate(zip(u.pieces, u.starts, u.ends, strict=True)):
            lengths = np.bincount(pieces[start:end] - sum(u.pieces[:w]), minlength=n)
            assert len(lengths) == n and lengths.max() - lengths.min() <= 1
            assert (np.diff(pieces[start:end]) >= 0).all()


def test_rows_may_be_a_slice() -> None:
    whole = rows(MADE)
    part = speech_rows(table(MADE).slice(2), V)
    assert part.tokens_R.tolist() == [whole.tokens_R[2]]
    assert part.pool[part.unit_start_R[0]] == V.speech_start


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("starts", [[0], [], []], "not of equal length"),
        ("ends", [[1, 1, 1], [], [1, 2, 3, 4, 5]], "overlap"),
        ("ends", [[*MADE[0].ends[:-1], 10_000], [], list(MADE[2].ends)], "reach beyond"),
        ("units", [[6000], [1], [1]], "speech token is out of range"),
        ("word_pieces", [[[500]] * 3, [], [[1]] * 5], "text token is out of range"),
    ],
)
def test_rows_that_do_not_fit(column: str, value: object, what: str) -> None:
    good = table(MADE)
    bad = good.set_column(good.column_names.index(column), column, pa.array(value, good.schema.field(column).type))
    with pytest.raises(UserError, match=what):
        speech_rows(bad, V)


def test_empty_words_and_pieces() -> None:
    one = rows([utterance("b", 0, 2)])
    assert len(one) == 1
    assert (one.words_of_pool == -1).all()
    assert isinstance(V, Vocabulary)
