"""A span's pieces are its words' pieces, or the tokenizer is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.errors import UserError
from lst_cli.text.tokenizer import TextTokenizer, fit, sample
from tests.text.json_tokenizers import byte_level, metaspace

TEXT = [
    "The small fox took a stone over the hill, and did not come back.",
    "Some say the hills are older than the words for them.",
    "Nobody knows how many stones a fox can carry in 1906 or 2024.",
] * 3


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return TextTokenizer(fit(TEXT, 330))


@given(st.lists(st.text(min_size=1, max_size=12), max_size=12))
def test_any_words(tokenizer: TextTokenizer, words: list[str]) -> None:
    words = " ".join(words).split()
    apart = [id for ids in tokenizer.encode_words(words) for id in ids]
    assert apart == tokenizer.encode("  ".join(words))
    if "\u2581" not in "".join(words):
        assert tokenizer.decode(apart) == " ".join(words)


def test_control_pieces_and_numbers(tokenizer: TextTokenizer) -> None:
    assert [tokenizer.piece(id) for id in range(3)] == ["<unk>", "<s>", "</s>"]
    assert tokenizer.pieces == 330
    ids = tokenizer.encode("</s> 19")
    assert 2 not in ids
    assert [tokenizer.piece(id) for id in ids[-2:]] == ["1", "9"]


def test_training_is_repeatable() -> None:
    assert fit(TEXT, 330) == fit(iter(TEXT), 330)


@pytest.mark.parametrize(("pieces", "text"), [(262, TEXT), (5000, TEXT), (300, []), (300, ["", "  "])])
def test_pieces_that_do_not_fit(pieces: int, text: list[str]) -> None:
    with pytest.raises(UserError, match=f"--pieces {pieces} does not fit"):
        fit(text, pieces)


def trained(**options: Any) -> bytes:
    written = io.BytesIO()
    settings: dict[str, Any] = {"model_type": "bpe", "vocab_size": 330, "byte_fallback": True, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_writer=written, **{**settings, **options}
    )
    return written.getvalue()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"split_by_whitespace": False, "vocab_size": 500}, "reaches over the end of a word"),
        ({"treat_whitespace_as_suffix": True}, "reaches over the end of a word"),
        ({"add_dummy_prefix": False}, "is encoded otherwise than its words"),
        ({"bos_id": 2, "eos_id": 1}, "unk 0, bos 2, eos 1"),
    ],
)
def test_tokenizers_that_are_refused(options: dict[str, Any], what: str) -> None:
    with pytest.raises(UserError, match=what):
        TextTokenizer(trained(**options))


def test_llamas_settings_are_taken() -> None:
    TextTokenizer(trained(normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True))
    TextTokenizer(trained(model_type="unigram", vocab_size=300))


def test_files_that_are_no_model(tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    for data in (b"", b"text", bytes(100)):
        path.write_bytes(data)
        with pytest.raises(UserError, match="not a SentencePiece model"):
            TextTokenizer.from_file(path)
    with pytest.raises(UserError, match="can't be read"):
        TextTokenizer.from_file(tmp_path / "none.model")


def test_sample() -> None:
    texts = [str(i) for i in range(30_000)]
    assert list(sample(iter(texts), len(texts), 40_000, 0)) == texts
    drawn = list(sample(iter(texts), len(texts), 3_000, 0))
    assert 2_700 < len(drawn) < 3_300
    assert drawn == sorted(drawn, key=int) == list(sample(iter(texts), len(texts), 3_000, 0))


@given(st.lists(st.text(min_size=1, max_size=12), max_size=12))
def test_offsets_of_pieces_in_any_words(tokenizer: TextTokenizer, words: list[str]) -> None:
    words = " ".join(words).split()
    for word, ids, offsets in zip(
        words, tokenizer.encode_words(words), tokenizer.piece_offsets([words])[0], strict=True
    ):
        assert len(offsets) == len(ids) and offsets == sorted(offsets)
        assert offsets[0] == 0 and offsets[-1] < len(word)


@pytest.mark.parametrize(
    "data", [fit(TEXT, 330), byte_level(), byte_level(split=None, prefix=True), metaspace()], ids=range(4)
)
def test_a_piece_begins_at_its_first_character(data: bytes) -> None:
    tokenizer = TextTokenizer(data)
    rows = [["The", "small", "foxstones", "overcarry", "knowshill,", "1906."], ["smallstones"], []]
    several = 0
    for row, encoded, offsets in zip(rows, tokenizer.encode_rows(rows), tokenizer.piece_offsets(rows), strict=True):
        for word, ids, begins in zip(row, encoded, offsets, strict=True):
            pieces = [tokenizer.piece(id).replace("\u2581", "") for id in ids]
            assert begins == [sum(map(len, pieces[:n])) for n in range(len(pieces))]
            assert "".join(pieces) == word
            several += len(ids) > 1
    assert several > 2


def test_bytes_of_a_character_begin_with_it(tokenizer: TextTokenizer) -> None:
    assert tokenizer.piece_offsets([["日本"]]) == [[[0] * 4 + [1] * 3]]
