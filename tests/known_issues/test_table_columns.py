"""Columns, rows and transcripts of which one was taken, and the other dropped, without a word."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lst_cli.errors import UserError
from tests.audio.sounds import save, tone
from tests.known_issues.encodings import wav
from tests.known_issues.test_corpus_tables import add, reasons, texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abc":
        save(tmp_path / "in" / f"{name}.wav", tone(3.0))
    return tmp_path / "in"


def put(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("start", "end", "scale"),
    [
        ("start_time", "end_time", 1),
        ("begin_time", "end_time", 1),
        ("begin", "end", 1),
        ("start_ms", "end_ms", 1000),
        ("Offset", "DUR", 1),
        ("offset_ms", "duration_ms", 1000),
    ],
)
def test_times_under_another_name_were_ignored(folder: Path, start: str, end: str, scale: int) -> None:
    last = 1.5 if "end" in end else 1.0
    row = {"path": "a.wav", "text": "hi", start: 0.5 * scale, end: last * scale}
    put(folder / "m.jsonl", json.dumps(row) + "\n")
    (one,) = add(folder / "m.jsonl", folder.parent / "root")
    assert (one.offset, one.samples) == (8_000, 16_000)


@pytest.mark.parametrize("header", ["path,text,text", "path,text,Text ", "path,path,text"])
def test_of_two_columns_of_one_name_the_last_won(folder: Path, header: str) -> None:
    put(folder / "m.csv", f"{header}\na.wav,b.wav,c.wav\n")
    with pytest.raises(UserError, match="two columns"):
        add(folder / "m.csv", folder.parent / "root")
    table = pa.Table.from_arrays([pa.array(["a.wav"])] * 3, header.split(","))
    pq.write_table(table, folder / "m.parquet")
    with pytest.raises(UserError, match="two columns"):
        add(folder / "m.parquet", folder.parent / "root")


def test_of_two_keys_of_one_name_the_last_won(folder: Path) -> None:
    good = '{"path": "b.wav", "text": "one"}'
    put(folder / "m.jsonl", f'{{"path": "a.wav", "text": "one", "text": "two"}}\n{good}\n')
    corpus = add(folder / "m.jsonl", folder.parent / "root")
    assert corpus.ids == ["b"] and "'text' occurs twice" in reasons(corpus)[0]


def test_a_key_that_only_a_late_row_has_was_ignored(folder: Path) -> None:
    rows: list[dict[str, object]] = [{"path": "a.wav", "text": "x", "id": f"u{n}"} for n in range(1000)]
    rows.append({"path": "b.wav", "text": "x", "id": "late", "offset": 1.0})
    put(folder / "m.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    corpus = add(folder / "m.jsonl", folder.parent / "root")
    assert "late" not in corpus.ids and "'offset', which no earlier row has" in reasons(corpus)[0]


def test_a_column_channel_was_ignored(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(folder / "m.csv", "path,text,channel\na.wav,one,1\n")
    add(folder / "m.csv", folder.parent / "root")
    assert "the column 'channel' is not read" in capsys.readouterr().err


def test_a_url_was_no_such_file(folder: Path) -> None:
    put(folder / "m.csv", "path,text\nhttps://x.org/a.wav,one\nfoo://b/a.wav,two\nb.wav,three\n")
    corpus = add(folder / "m.csv", folder.parent / "root")
    web, unknown = reasons(corpus)
    assert texts(corpus) == ["three"] and "download the files" in web and "no kind of store" in unknown


@pytest.mark.parametrize("name", ["m.tsv", "m.csv", "m.jsonl"])
def test_carriage_returns_alone_had_another_cause(folder: Path, name: str) -> None:
    put(folder / name, '{"path": "a.wav"}\r{"path": "b.wav"}\r' if "json" in name else "path\ta\ra.wav\tb\r")
    with pytest.raises(UserError, match="carriage returns alone"):
        add(folder / name, folder.parent / "root")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_truncated_or_wider_table_ended_in_a_unicode_error(folder: Path, encoding: str) -> None:
    put(folder / "m.tsv", "path\ttext\na.wav\tone\n".encode(encoding)[:-1])
    with pytest.raises(UserError, match=r"UTF-16|UTF-8"):
        add(folder / "m.tsv", folder.parent / "root")


def test_bytes_that_are_not_bytes_were_a_fault_of_lst(tmp_path: Path) -> None:
    for audio in ([{"bytes": "RIFF"}], [{"bytes": [1, 2]}], [{"bytes": 3}]):
        pq.write_table(pa.table({"audio": pa.array(audio), "text": ["x"]}), tmp_path / "d.parquet")
        with pytest.raises(UserError):
            add(tmp_path / "d.parquet", tmp_path / "root")


@pytest.mark.parametrize("names", [("é.txt", "e\u0301.txt"), ("é.txt", "é.TXT"), ("é.lab", "e\u0301.Lab")])
def test_of_two_transcripts_one_was_taken(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in ("é.wav", "b.wav", "b.txt"):
        put(tmp_path / "in" / name, wav() if name.endswith("wav") else "so")
    for name in names:
        put(tmp_path / "in" / unicodedata.normalize("NFD" if "\u0301" in name else "NFC", name), name)
    corpus = add(tmp_path / "in", tmp_path / "root")
    assert texts(corpus) == ["so"] and "two transcripts" in reasons(corpus)[0]


def test_a_transcript_behind_another_had_no_audio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, data in (("a.wav", wav()), ("a.txt", b"one"), ("a.lab", b"two")):
        put(tmp_path / "in" / name, data)
    assert texts(add(tmp_path / "in", tmp_path / "root")) == ["one"]
    assert "1 transcripts are not read: another one is" in capsys.readouterr().err


def test_speakers_of_vctk_who_share_their_ids_were_further_microphones(tmp_path: Path) -> None:
    for speaker in ("p1", "p2"):
        put(tmp_path / "in" / "wav48" / speaker / "001.wav", wav())
        put(tmp_path / "in" / "txt" / speaker / "001.txt", speaker)
    corpus = add(tmp_path / "in", tmp_path / "root")
    assert (corpus.ids, texts(corpus)) == (["p1/001", "p2/001"], ["p1", "p2"])


@pytest.mark.parametrize(
    "table", ["L1.wav|hello\n", "wavs/L1.wav|hello\n", "id|text\nL1|hello\n", "L1|hello\n".encode("utf-16")]
)
def test_a_spelling_of_ljspeech_was_not_recognised(tmp_path: Path, table: str | bytes) -> None:
    put(tmp_path / "in" / "wavs" / "L1.wav", wav())
    put(tmp_path / "in" / "metadata.csv", table)
    corpus = add(tmp_path / "in", tmp_path / "root")
    assert corpus.ids == [("wavs/" if str(table).startswith("wavs/") else "") + "L1"] and texts(corpus) == ["hello"]


def test_a_bad_first_line_hid_what_the_table_is(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.wav", wav())
    put(tmp_path / "in" / "metadata.jsonl", 'oops\n{"file_name": "a.wav", "text": "one"}\n')
    assert texts(add(tmp_path / "in", tmp_path / "root")) == ["one"]
    source = {"type": "file", "channels": [0], "source": str(tmp_path / "in" / "a.wav")}
    cut = {"id": None, "type": "MonoCut", "channel": 0, "start": 0, "duration": 1, "recording": {"sources": [source]}}
    cut["supervisions"] = [{"start": 0, "duration": 1, "text": "two"}]
    put(tmp_path / "cuts.jsonl", f"oops\n{json.dumps(cut)}\n")
    corpus = add(tmp_path / "cuts.jsonl", tmp_path / "root")
    assert texts(corpus) == ["two"] and corpus.ids != ["None"]
