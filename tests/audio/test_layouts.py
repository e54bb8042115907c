from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lst_cli.audio.layouts import LAYOUTS, Entry, choose_layout
from lst_cli.errors import UserError
from tests.audio.sounds import save, save_spoken, tone


def entries(source: Path, with_text: bool = True) -> dict[str, Entry]:
    listed = choose_layout(source).read(source, with_text).entries
    return {entry.id: entry for entry in listed}


def problem(entry: Entry) -> str:
    assert entry.problem is not None
    return entry.problem


def test_a_folder_is_read_at_any_depth_in_order_of_ids(tmp_path: Path) -> None:
    save_spoken(tmp_path / "b.wav", " two\nlines ")
    save_spoken(tmp_path / "a" / "x.y.flac", "\ufeffdotted")
    save_spoken(tmp_path / "a" / "._hidden.wav", "macOS")
    found = entries(tmp_path)
    assert choose_layout(tmp_path).name == "folder"
    assert list(found) == ["a/x.y", "b"]
    assert found["b"].text == "two lines"
    assert found["a/x.y"].text == "dotted"
    assert found["b"].problem is None


def test_a_folder_without_transcripts_names_each_and_the_option(tmp_path: Path) -> None:
    save(tmp_path / "a.wav", tone(0.1))
    save_spoken(tmp_path / "b.wav", "  ")
    (save_spoken(tmp_path / "c.wav", "").with_suffix(".txt")).write_bytes(b"first\ncaf\xe9")
    found = entries(tmp_path)
    assert "a.txt" in problem(found["a"])
    assert "--no-text" in problem(found["a"])
    assert "empty" in problem(found["b"])
    assert "not UTF-8 (byte 0xe9 in line 2)" in problem(found["c"])
    assert "iconv" in problem(found["c"])
    assert all(entry.problem is None and entry.text is None for entry in entries(tmp_path, False).values())


def test_transcripts_without_audio_are_mentioned(tmp_path: Path) -> None:
    save_spoken(tmp_path / "a.wav", "text")
    (tmp_path / "README.txt").write_text("about")
    listing = choose_layout(tmp_path).read(tmp_path, True)
    assert "1 .txt files have no audio" in listing.notes[0]
    assert [path.name for path in listing.documents] == ["a.txt"]


@pytest.fixture
def librispeech(tmp_path: Path) -> Path:
    chapter = tmp_path / "LibriSpeech" / "dev" / "84" / "121"
    for n in range(3):
        save(chapter / f"84-121-{n:04d}.flac", tone(0.1))
    (chapter / "84-121.trans.txt").write_text("84-121-0000 GO ON\n84-121-0001 DO YOU\n84-121-0009 GONE\n")
    return tmp_path / "LibriSpeech"


def test_a_librispeech_tree(librispeech: Path) -> None:
    found = entries(librispeech)
    assert choose_layout(librispeech).name == "librispeech"
    assert found["84-121-0000"].text == "GO ON"
    assert found["84-121-0000"].speaker == "84"
    assert "no line in the transcripts" in problem(found["84-121-0002"])
    assert "no audio file for 84-121-0009" in problem(found["84-121-0009"])


def test_a_librispeech_transcript_that_is_not_utf8_rejects_its_chapter(librispeech: Path) -> None:
    (librispeech / "dev" / "84" / "121" / "84-121.trans.txt").write_bytes(b"84-121-0000 caf\xe9\n")
    assert all("not UTF-8" in problem(entry) for entry in entries(librispeech).values())


def test_an_mls_tree(tmp_path: Path) -> None:
    save(tmp_path / "train" / "audio" / "10" / "20" / "10_20_000001.flac", tone(0.1))
    (tmp_path / "train" / "transcripts.txt").write_text("10_20_000001\tsaid so\n")
    found = entries(tmp_path)
    assert choose_layout(tmp_path).name == "mls"
    assert (found["10_20_000001"].text, found["10_20_000001"].speaker) == ("said so", "10")
    assert entries(tmp_path / "train").keys() == found.keys()


ROWS = [
    {
        "path": "audio/a.wav",
        "text": "whole",
        "id": "one",
        "speaker": "s1",
        "source": "radio",
        "start": None,
        "end": None,
    },
    {"path": "audio/a.wav", "text": "a part", "id": None, "speaker": None, "source": None, "start": 0.25, "end": 1.5},
]


def write_tsv(path: Path) -> None:
    lines = ["\t".join(ROWS[0]), *("\t".join("" if v is None else str(v) for v in row.values()) for row in ROWS)]
    path.write_text("\n".join(lines) + "\n")


def write_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def write_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


@pytest.mark.parametrize("write", [write_tsv, write_jsonl, write_parquet])
def test_a_manifest_gives_the_same_entries_in_any_format(tmp_path: Path, write) -> None:
    path = tmp_path / f"list.{write.__name__.removeprefix('write_')}"
    write(path)
    first, second = choose_layout(path).read(path, True).entries
    assert first == Entry(id="one", path=tmp_path / "audio/a.wav", text="whole", speaker="s1", source="radio")
    assert second == Entry(
        id="audio/a/0000250-0001500", path=tmp_path / "audio/a.wav", text="a part", start_s=0.25, end_s=1.5
    )


def test_a_manifest_keeps_absolute_paths_and_needs_no_text(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    path.write_text("path\n/data/x.flac\n")
    (entry,) = choose_layout(path).read(path, True).entries
    assert (entry.path, entry.text, entry.problem) == (Path("/data/x.flac"), None, None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"path": "", "text": "x"}', "line 1: no path"),
        ('{"path": 7, "text": "x"}', "line 1: no path"),
        ('{"path": "a.wav", "text": ""}', "no text"),
        ('{"path": "a.wav", "text": "x", "start": "soon"}', "start is 'soon'"),
        ('{"path": "a.wav", "text": "x", "start": -1}', "start is -1"),
        ('{"path": "a.wav", "text": "x", "start": 2, "end": 1}', "end 1 is not after start 2"),
    ],
)
def test_a_faulty_row_is_rejected_with_its_line(tmp_path: Path, line: str, expected: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(line + "\n")
    (entry,) = choose_layout(path).read(path, True).entries
    assert expected in problem(entry)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("m.tsv", b"file\ttext\na.wav\tx\n", "no column 'path'"),
        ("m.tsv", b"path\ttext\na.wav\n", "line 2: the wrong number of columns"),
        ("m.tsv", b"path\ttext\na.wav\t\xff\n", "not UTF-8"),
        ("m.jsonl", b"{'path': 1}\n", "line 1: not JSON"),
        ("m.jsonl", b"[1]\n", "line 1: not a JSON object"),
        ("m.parquet", b"PAR1 and then nothing", "not a whole Parquet file"),
    ],
)
def test_a_manifest_that_can_not_be_read_is_refused(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=expected):
        choose_layout(tmp_path / name).read(tmp_path / name, True)


def test_a_source_in_no_layout_or_of_another_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"x")
    with pytest.raises(UserError, match="not a corpus"):
        choose_layout(tmp_path / "x.zip")
    with pytest.raises(UserError, match="no such file"):
        choose_layout(tmp_path / "nothing")
    with pytest.raises(UserError, match="not a corpus in the layout mls"):
        choose_layout(tmp_path, "mls")
    with pytest.raises(UserError, match="one of: librispeech"):
        choose_layout(tmp_path, "spotify")
    assert choose_layout(tmp_path, "folder") is LAYOUTS["folder"]


def test_a_librilight_tree_is_cut_by_voice_activity(tmp_path: Path) -> None:
    book = tmp_path / "small" / "100" / "sea_64kb_mp3"
    save(book / "sea_01.flac", tone(0.1))
    about = {"speaker": "100", "voice_activity": [[0.5, 30.0], [31.0, 59.0], [60.0, 61.0], [70, 200], [201, 202]]}
    (book / "sea_01.json").write_text(json.dumps(about))
    save(book / "sea_02.flac", tone(0.1))
    save(book / "sea_03.flac", tone(0.1))
    (book / "sea_03.json").write_text('{"speaker": "100", "voice_activity": []}')
    assert choose_layout(tmp_path).name == "librilight"
    found = entries(tmp_path)
    spans = [(entry.start_s, entry.end_s) for entry in found.values() if entry.problem is None]
    assert spans == [(0.5, 59.0), (60.0, 61.0), (70.0, 200.0), (201.0, 202.0)]
    first = found["small/100/sea_64kb_mp3/sea_01/0000"]
    assert (first.speaker, first.text) == ("100", None)
    assert "no sea_02.json" in problem(found["small/100/sea_64kb_mp3/sea_02"])
    assert "no voice" in problem(found["small/100/sea_64kb_mp3/sea_03"])


def cut(**changes: object) -> dict:
    source = {"type": "file", "channels": [0], "source": "r.wav"}
    return {
        "id": "c1",
        "start": 0.5,
        "duration": 1.0,
        "channel": 0,
        "supervisions": [{"id": "s", "text": "hi there", "speaker": "sp"}, {"id": "t", "text": "you"}],
        "recording": {"id": "r", "sources": [source], "sampling_rate": 16000, "num_samples": 32000, "duration": 2.0},
        "type": "MonoCut",
        **changes,
    }


def write_cuts(path: Path, *cuts: dict) -> Path:
    path.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in cuts).encode()))
    return path


def test_lhotse_cuts_are_segments(tmp_path: Path) -> None:
    path = write_cuts(tmp_path / "cuts.jsonl.gz", cut())
    save(tmp_path / "r.wav", tone(2.0))
    assert choose_layout(path).name == "lhotse"
    (entry,) = choose_layout(path).read(path, True).entries
    assert entry == Entry(id="c1", path=tmp_path / "r.wav", text="hi there you", speaker="sp", start_s=0.5, end_s=1.5)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"type": "MixedCut"}, "MixedCut, not a MonoCut"),
        ({"recording": None}, "not a MonoCut with a recording"),
        ({"recording": {**cut()["recording"], "transforms": [{"name": "Speed"}]}}, "transformed"),
        ({"recording": {"sources": [{"type": "url", "channels": [0], "source": "x"}]}}, "a url, not a file"),
        ({"channel": 3}, "no source for its channel"),
        ({"supervisions": []}, "no text"),
        ({"start": "soon"}, "not a cut as lhotse writes them"),
        ({"recording": {"sources": [{"type": "file"}]}}, "not a cut as lhotse writes them"),
    ],
)
def test_lhotse_cuts_of_other_than_plain_audio_are_rejected(tmp_path: Path, changes: dict, expected: str) -> None:
    path = write_cuts(tmp_path / "cuts.jsonl.gz", cut(), cut(id="c2", **changes))
    _, entry = choose_layout(path).read(path, True).entries
    assert expected in problem(entry)
    assert "line 2" in problem(entry)


def test_lhotse_cuts_cut_short_are_refused(tmp_path: Path) -> None:
    path = write_cuts(tmp_path / "cuts.jsonl.gz", *(cut(id=f"c{n}", start=n * n) for n in range(99)))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="not a whole gzip file"):
        list(LAYOUTS["lhotse"].read(path, True).entries)


def test_cuts_that_lhotse_wrote_are_read(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    recording = lhotse.Recording.from_file(save(tmp_path / "r.wav", tone(2.0)))
    said = lhotse.SupervisionSegment(id="s", recording_id="r", start=0, duration=1.0, text="hi", speaker="sp")
    one = lhotse.MonoCut(id="c", start=0.5, duration=1.0, channel=0, recording=recording, supervisions=[said])
    path = tmp_path / "cuts.jsonl.gz"
    lhotse.CutSet.from_cuts([one, one.perturb_speed(1.1)]).to_file(path)
    first, second = choose_layout(path).read(path, True).entries
    assert (first.path, first.start_s, first.end_s, first.text) == (tmp_path / "r.wav", 0.5, 1.5, "hi")
    assert "transformed" in problem(second)
