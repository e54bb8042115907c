"""AutoTokenizer reads the exported tokenizer: the model's ids for text, markers and speech tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from lst_cli.errors import UserError
from lst_cli.publishing.hf_tokenizer import SPEECH_MARKER, TEXT_MARKER, speech_token, tokenizer_files
from lst_cli.text.tokenizer import TextTokenizer, fit
from lst_cli.text.vocabulary import Vocabulary
from tests.text.json_tokenizers import SPECIALS, TEXT, byte_level, metaspace

TEXTS = [
    *TEXT,
    "a",
    "Foxes' stones: 1984, 3.14; <b> & “quotes” — naïve café.",
    "日本語 and Ελληνικά, 🦊!",
    "hill hills hillside hhhhiiilll",
]


def sentencepiece(pieces: int = 400) -> bytes:
    return fit(TEXT * 3, pieces)


def unigram() -> bytes:
    import io

    import sentencepiece as sp

    written = io.BytesIO()
    sp.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT * 3), model_writer=written, model_type="unigram", vocab_size=310,
        byte_fallback=True, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, num_threads=1, minloglevel=2,
    )  # fmt: skip
    return written.getvalue()


KINDS = {"sentencepiece": sentencepiece, "unigram": unigram, "byte_level": byte_level, "metaspace": metaspace}


def exported(folder: Path, data: bytes, units: int = 30) -> tuple[TextTokenizer, Vocabulary]:
    """The tokenizer files of an export in a folder."""
    ours = TextTokenizer(data)
    vocabulary = Vocabulary(pieces=ours.pieces, units=units, eos=2, specials=ours.specials)
    own = folder / ("tokenizer.json" if ours.is_json else "tokenizer.model")
    own.write_bytes(data)
    for name, content in tokenizer_files(own, ours, vocabulary).items():
        (folder / name).write_bytes(content)
    assert own.read_bytes() == data
    return ours, vocabulary


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_the_models(tmp_path: Path, kind: str) -> None:
    ours, vocabulary = exported(tmp_path, KINDS[kind]())
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert len(theirs) == vocabulary.size and theirs.eos_token_id == vocabulary.eos
    names = [TEXT_MARKER, SPEECH_MARKER, *map(speech_token, range(vocabulary.units))]
    assert theirs.convert_tokens_to_ids(names) == list(range(vocabulary.pieces, vocabulary.size))
    for text in TEXTS:
        ids = ours.encode(text)
        written = f"{SPEECH_MARKER}{speech_token(7)}{speech_token(29)}{TEXT_MARKER}{text}"
        found = theirs(written, add_special_tokens=False)["input_ids"]
        start = vocabulary.speech_start
        assert found == [vocabulary.s_marker, start + 7, start + 29, vocabulary.t_marker, *ids]
        assert theirs.decode(ids) == ours.decode(ids) == text
        assert theirs.decode([*found, vocabulary.eos], skip_special_tokens=True).strip() == text


def test_names_that_the_text_has_already_are_refused(tmp_path: Path) -> None:
    data = byte_level().replace(SPECIALS[1].encode(), speech_token(3).encode())
    with pytest.raises(UserError, match=r"other ids(.|\n)*<\|speech_3\|>"):
        exported(tmp_path, data)
