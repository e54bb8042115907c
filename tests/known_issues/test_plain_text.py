"""Bytes that are not the text they seem: UTF-16, NULs, tables and markup as plain text, keys that occur twice."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lst_cli.audio.layouts import choose_layout
from lst_cli.audio.layouts.listing import read_text
from lst_cli.commands.speech.speak import _lines
from lst_cli.config import load_config
from lst_cli.errors import UserError
from lst_cli.evaluation.tasks import read_items
from lst_cli.json_text import NotText, decode, parse_json
from lst_cli.text.text_files import TextDocument, read_documents, text_files
from lst_cli.training.config.pretrain_config import PretrainConfig
from tests.audio.sounds import save, tone
from tests.known_issues.test_corpus_tables import add, reasons, texts


def read(path: Path) -> list[TextDocument]:
    return list(read_documents(text_files([path])))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_with_its_mark_is_read(encoding: str) -> None:
    assert decode("naïve\n".encode(encoding)) == "naïve\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("hi\n".encode("utf-16-le"), "UTF-16LE"),
        (b"a\0b", "NUL"),
        (b"ok\ncaf\xe9", "line 2"),
        (b"\x1f\x8b\x08\0", "gunzip"),
    ],
)
def test_the_advice_converts_the_file(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(NotText, match=reason):
        decode(data)
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    for reader in (
        lambda: load_config(PretrainConfig, path),
        lambda: _lines(None, str(path)),
        lambda: read_items("storycloze", path),
    ):
        with pytest.raises(UserError, match=reason):
            reader()


def test_utf_16_without_a_mark_became_a_transcript_with_nuls(tmp_path: Path) -> None:
    for name, data in (("a", "one".encode("utf-16-le")), ("b", "two".encode("utf-16")), ("c", b"\0\0")):
        save(tmp_path / "in" / f"{name}.wav", tone(1.0))
        (tmp_path / "in" / f"{name}.txt").write_bytes(data)
    corpus = add(tmp_path / "in", tmp_path / "root")
    assert texts(corpus) == ["two"]
    assert all("NUL" in reason for reason in reasons(corpus))
    (tmp_path / "in" / "m.tsv").write_bytes(b"path\ttext\na.wav\tone\0\nb.wav\ttwo\n")
    assert texts(add(tmp_path / "in" / "m.tsv", tmp_path / "root")) == ["two"]


def test_utf_16_became_documents_of_noise(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("one\ntwo\n".encode("utf-16"))
    assert [each.text for each in read(tmp_path / "a.txt")] == ["one", "two"]
    (tmp_path / "b.txt").write_bytes("one\ntwo\n".encode("utf-16-le"))
    assert all(each.problem for each in read(tmp_path / "b.txt"))
    (tmp_path / "c.txt").write_bytes("one\ntwo\n".encode("utf-16")[:-1])
    with pytest.raises(UserError, match="damaged after line"):
        read(tmp_path / "c.txt")


@pytest.mark.parametrize("name", ["a.csv", "a.TSV.gz", "a.html", "a.pdf", "a.zip"])
def test_tables_and_markup_were_read_as_plain_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("id,text\n1,one\n")
    with pytest.raises(UserError, match="not a file of plain text"):
        read(tmp_path / name)


def test_json_lines_named_txt_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text('{"text": "one"}\n')
    read(tmp_path / "a.txt")
    assert "rename it to .jsonl" in capsys.readouterr().err


def test_a_pipe_was_nothing_there(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(UserError, match="a pipe or device"):
        text_files([tmp_path / "a.txt"])


def test_one_of_two_equal_keys_was_dropped_in_silence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'text' occurs twice"):
        parse_json('{"text": "one", "text": "two"}')
    (tmp_path / "a.jsonl").write_text('{"text": "one", "text": "two"}\n{"text": "three"}\n')
    assert [each.text for each in read(tmp_path / "a.jsonl")] == ["", "three"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([2**62], pa.timestamp("us")), [""]),
        (pa.array([["one"]]), [""]),
        (pa.array([b"one", b"\xff"]), ["one", ""]),
        (pa.array([b"one", b"\xff"], pa.binary()).view(pa.string()).dictionary_encode(), ["one", ""]),
        (pa.array(["one"], pa.large_string()), ["one"]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_a_column_of_an_odd_type_ended_the_stage(tmp_path: Path, column: pa.Array, expected: list[str]) -> None:
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    assert [each.text for each in read(tmp_path / "a.parquet")] == expected


def test_a_users_damaged_parquet_file_was_sent_to_artifact_verify(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + b"x" * 100)
    for reader in (lambda: read(tmp_path / "a.parquet"), lambda: add(tmp_path / "a.parquet", tmp_path / "root")):
        with pytest.raises(UserError, match="download the file again"):
            reader()


def test_a_link_to_itself_closed_the_whole_folder(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.wav", tone(1.0))
    for name in ("loop", "loop.wav", "loop.txt"):
        (tmp_path / "in" / name).symlink_to(name)
    corpus = add(tmp_path / "in", tmp_path / "root", with_text=False)
    assert corpus.ids == ["a"] and len(reasons(corpus)) == 1


def librispeech(folder: Path, *lines: bytes) -> Path:
    for number in range(3):
        save(folder / "1" / "2" / f"1-2-000{number}.flac", tone(1.0))
    (folder / "1" / "2" / "1-2.trans.txt").write_bytes(b"\n".join(lines))
    return folder


def test_of_two_lines_for_an_id_the_last_won_and_a_bad_byte_cost_the_chapter(tmp_path: Path) -> None:
    source = librispeech(tmp_path / "in", b"1-2-0000 ONE", b"1-2-0001 TWO", b"1-2-0001 AGAIN", b"1-2-0002 CAF\xc9")
    assert choose_layout(source).name == "librispeech"
    corpus = add(source, tmp_path / "root")
    assert texts(corpus) == ["ONE"]
    assert "two lines for 1-2-0001" in reasons(corpus)[0] and "line 4: not UTF-8" in reasons(corpus)[1]


@pytest.mark.parametrize("span", ["[NaN, 1.0]", "[0.5, Infinity]", "[2.0, 1.0]", "[-1.0, 1.0]", "[1e400, 1e401]"])
def test_a_voice_span_that_is_none_ended_the_stage(tmp_path: Path, span: str) -> None:
    for name, spans in (("a", f"[{span}]"), ("b", "[[0.5, 1.0]]")):
        save(tmp_path / "in" / "s" / "b" / f"{name}.flac", tone(2.0))
        (tmp_path / "in" / "s" / "b" / f"{name}.json").write_text(f'{{"speaker": "s", "voice_activity": {spans}}}')
    corpus = add(tmp_path / "in", tmp_path / "root", with_text=False)
    assert corpus.ids == ["s/b/b/0000"] and "no time span" in reasons(corpus)[0]


def test_read_text_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff")
    with pytest.raises(Exception, match=r"a\.txt: not UTF-8"):
        read_text(tmp_path / "a.txt")
