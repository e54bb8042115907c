"""Text, JSON lines and text tokenizers, as users have them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lst_cli.commands.speech.speak import _lines
from lst_cli.errors import UserError
from lst_cli.text.text_files import TextDocument, read_documents, text_files
from lst_cli.text.tokenizer import TextTokenizer, fit

BOM = "\ufeff"


def read(path: Path) -> list[TextDocument]:
    return list(read_documents(text_files([path])))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("name", "line"), [("a.txt", "{}\n"), ("a.jsonl", '{{"text": "{}"}}\n')])
def test_a_byte_order_mark_stayed_in_the_first_document_or_lost_it(
    tmp_path: Path, name: str, line: str, packed: bool
) -> None:
    data = (BOM + line.format("one") + line.format("two")).encode()
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(data) if packed else data)
    assert [each.text for each in read(path)] == ["one", "two"]


def test_speak_refused_a_file_with_a_byte_order_mark_and_split_at_line_separators(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(f"{BOM}one\u2028two\r\n\nthree\x85four\n".encode())
    assert [text for _, text in _lines(None, str(tmp_path / "a.txt"))] == ["one two", "three four"]


@pytest.mark.parametrize(
    "bad",
    ["[" * 100_000, '{"text": ' * 100_000, '{"text": "\\ud800"}', '{"text": NaN}', '{"text": 7}', "[]", "9" * 5000],
)
def test_one_odd_json_line_ended_the_stage(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "one"}}\n{bad}\n{{"text": "two"}}\n')
    first, odd, last = read(path)
    assert (first.text, odd.text, last.text) == ("one", "", "two") and odd.problem is not None


@pytest.mark.parametrize("name", ["a.JSONL", "a.ndjson", "a.json", "a.Jsonl.GZ"])
def test_json_lines_under_another_ending_were_read_as_plain_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = b'{"text": "one"}\n'
    path.write_bytes(gzip.compress(data) if name.endswith("GZ") else data)
    assert [each.text for each in read(path)] == ["one"]


def test_a_parquet_string_that_is_not_utf8_ended_the_stage(tmp_path: Path) -> None:
    column = pa.array([b"one", b"\xff\xfe", None, b"two"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")
    assert [each.text for each in found] == ["one", "", "", "two"]
    assert [each.problem is None for each in found] == [True, False, False, True]


def test_line_separators_inside_a_json_line_are_no_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "one\u2028two\x85three"}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert [each.problem for each in read(path)] == [None]


def test_a_damaged_tokenizer_ended_in_a_unicode_error(tmp_path: Path) -> None:
    model = fit([f"the quick brown fox {i} jumps" for i in range(100)], 300)
    for at in range(40, len(model), 97):
        damaged = bytearray(model)
        damaged[at] ^= 0x80
        try:
            TextTokenizer(bytes(damaged), "it").encode("the fox")
        except UserError as error:
            assert str(error).startswith("it: ")
    for end in range(0, len(model), 331):
        with pytest.raises(UserError, match="it: "):
            TextTokenizer(model[:end], "it")
