"""The other forms of documents, and rows that can't be what they say."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from lst_cli.artifacts.parquet import write_parquet
from lst_cli.errors import UserError
from lst_cli.shards.documents.forms import Form, Maker, Source
from lst_cli.shards.documents.interleave import InterleaveConfig
from lst_cli.shards.schema import with_info
from lst_cli.shards.shard_rows import speech_rows
from lst_cli.shards.shard_set import ShardSet
from lst_cli.text.vocabulary import Vocabulary
from tests.shards.making import INFO, VOCABULARY, Utterance, rows, table, utterance, utterance_lists

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


@given(utterance_lists())
def test_a_frame_is_of_the_last_piece_that_has_begun_in_its_word(made: list[Utterance]) -> None:
    found = rows(made, "piece")
    for r, u in enumerate(made):
        expected = [-1] * u.frames
        first = 0
        for start, end, begins in zip(u.starts, u.ends, u.piece_starts(), strict=True):
            for frame in range(start, end):
                expected[frame] = first + sum(start + begin <= frame for begin in begins) - 1
            first += len(begins)
        assert found.words_of_pool[found.unit_start_R[r] : found.unit_start_R[r + 1]].tolist() == expected


def test_pieces_need_a_column_of_their_own_and_words_do_not(tmp_path: Path) -> None:
    old = table(MADE).drop_columns(["piece_starts"])
    assert (speech_rows(old, V).words_of_pool == rows(MADE).words_of_pool).all()
    with pytest.raises(UserError, match=r"(?s)patching.spans=piece.*'lst align run'"):
        speech_rows(old, V, "piece")
    path = tmp_path / "shard-00000.parquet"
    write_parquet(path, old.cast(with_info(old.schema, INFO)))
    shards = ShardSet.open([path])
    Source("s", shards)
    with pytest.raises(UserError, match=r"(?s)shard-00000.parquet without the column piece_starts.*'lst align run'"):
        Source("s", shards, spans="piece")


@pytest.mark.parametrize("begins", [[[0, 1, 0], [0], [0]], [[1], [0], [0]], [[0], [0, 10_000], [0]], [[0]] * 2])
def test_pieces_that_do_not_fit(begins: list[list[int]]) -> None:
    one = Utterance("u0", 20, (0, 5, 10), (5, 10, 15), tuple(map(len, begins)) if len(begins) == 3 else (1, 1, 1))
    good = table([one])
    column, type = good.column_names.index("piece_starts"), good.schema.field("piece_starts").type
    bad = good.set_column(column, "piece_starts", pa.array([begins], type))
    with pytest.raises(UserError, match="piece_starts do not fit"):
        speech_rows(bad, V, "piece")


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
