"""A ``tokenizer.json`` encodes as its library does, word by word, and decodes exactly, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.text.tokenizer import JSON_FILE, TEXT_TOKENIZER, TextTokenizer
from tests.shards.command import run
from tests.text.json_tokenizers import SPECIALS, TEXT, byte_level, metaspace, over_words

KINDS: dict[str, Callable[[], bytes]] = {
    "llama-3": byte_level,
    "gpt-2": lambda: byte_level(split=None),
    "gpt-2-prefix": lambda: byte_level(split=None, prefix=True),
    "qwen": lambda: byte_level(normalizer=normalizers.NFC()),
    "llama-2": metaspace,
}


@pytest.fixture(scope="module", params=KINDS)
def data(request: pytest.FixtureRequest) -> bytes:
    return KINDS[request.param]()


def test_it_encodes_as_its_library(data: bytes) -> None:
    ours, theirs = TextTokenizer(data), Tokenizer.from_str(data.decode())
    for text in (*TEXT, "Hello, “world”! It's 3.14 and más: naïve 漢字 😀 -- a_b (x)."):
        ids = theirs.encode(text, add_special_tokens=False).ids
        assert ours.encode(text) == ids
        assert ours.decode(ids) == text
        continued = theirs.encode("The " + text, add_special_tokens=False).ids
        assert ours.encode("The") + ours.encode(text, continues=True) == continued


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="▁"), min_size=1, max_size=12), max_size=9))
def test_any_words(words: list[str]) -> None:
    tokenizer = _LLAMA_3
    words = " ".join(words).split()
    apart = [id for ids in tokenizer.encode_words(words) for id in ids]
    assert apart == tokenizer.encode("  ".join(words))
    assert tokenizer.decode(apart) == " ".join(words)


_LLAMA_3 = TextTokenizer(byte_level())


def test_special_tokens(data: bytes) -> None:
    tokenizer = TextTokenizer(data)
    names = [tokenizer.raw_tokens()[id] for id in tokenizer.specials]
    assert set(names) >= ({"<s>", "</s>"} if "</s>" in names else set(SPECIALS))
    text = f"a {names[1]} b {names[2]}"
    ids = tokenizer.encode(text)
    assert not set(ids) & set(tokenizer.specials)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode([tokenizer.specials[0], *ids, tokenizer.specials[2]]) == text


def test_characters_that_are_known() -> None:
    tokenizer = TextTokenizer(byte_level(["ü " * 50, *TEXT], 500))
    assert tokenizer.knows("a") and tokenizer.knows("ü") and not tokenizer.knows("😀")
    assert not TextTokenizer(metaspace()).knows("😀") and TextTokenizer(metaspace()).knows("e")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (over_words, "reaches over the end of a word"),
        (lambda: byte_level(normalizer=normalizers.Lowercase()), "does not reproduce the text"),
        (lambda: b'{"a": 1}', r"not a tokenizer\.json"),
        (lambda: b"{", r"not a tokenizer\.json"),
    ],
)
def test_others_are_refused(data: Callable[[], bytes], named: str) -> None:
    with pytest.raises(UserError, match=named) as error:
        TextTokenizer(data(), "x/tokenizer.json")
    assert error.value.fix


@pytest.mark.parametrize(
    ("files", "options", "eos"),
    [
        ({}, (), 0),
        ({}, ("--eos", "<|im_end|>"), 2),
        ({"config.json": {"eos_token_id": [2, 1]}}, (), 2),
        ({"tokenizer_config.json": {"eos_token": {"content": "<|im_start|>"}}}, (), 1),
        ({"config.json": {"eos_token_id": 2}, "tokenizer_config.json": {"eos_token": "<|im_start|>"}}, (), 2),
    ],
)
def test_import_finds_the_end_of_documents(
    files: dict[str, object], options: tuple[str, ...], eos: int, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / JSON_FILE).write_bytes(byte_level())
    (folder / "tokenizer.model").write_bytes(b"not read")
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    assert run(tmp_path / "root", "text", "import", str(folder), "--name", "t", *options) == 0
    artifact = Store(tmp_path / "root").find("text_tokenizer/t", TEXT_TOKENIZER)
    assert artifact.config["eos"] == eos
    assert artifact.file(JSON_FILE).read_bytes() == byte_level()
    text = tmp_path / "text.txt"
    text.write_text("\n".join(TEXT))
    assert run(tmp_path / "root", "shards", "text", str(text), "--tokenizer", "text_tokenizer/t", "--name", "s") == 0
    from lst_cli.shards.schema import SHARDS
    from lst_cli.shards.shard_set import ShardSet

    assert ShardSet.of(Store(tmp_path / "root").find("shards/s", SHARDS)).info.vocabulary.eos == eos


def test_import_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / JSON_FILE
    path.write_bytes(byte_level())
    for source, options, named in (
        (path, ("--eos", "</s>"), "not a token of"),
        (tmp_path / "none", (), "no such folder"),
        (tmp_path, ("--eos", "<none>"), "not a token of"),
    ):
        assert run(tmp_path / "root", "text", "import", str(source), "--name", "t", *options) == 2
        assert named in capsys.readouterr().err
    path.unlink()
    assert run(tmp_path / "root", "text", "import", str(tmp_path), "--name", "t") == 2
    assert "no tokenizer" in capsys.readouterr().err
