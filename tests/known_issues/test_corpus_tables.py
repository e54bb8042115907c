"""Manifests as NeMo, pandas, Common Voice, Hugging Face and lhotse write them."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lst_cli.artifacts import Store
from lst_cli.audio.add import AddOptions
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.audio.decode import read_utterance
from lst_cli.audio.show import read_rejects
from lst_cli.errors import UserError
from tests.audio.adding import plan_corpus
from tests.audio.sounds import save, tone
from tests.known_issues.encodings import wav


def add(source: Path, root: Path, **options: object) -> Corpus:
    plan = plan_corpus(AddOptions(source=source, name="c", **{"max_reject_rate": 0.9, **options}))
    return Corpus(Store(root).build(*plan).artifact)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abc":
        save(tmp_path / "in" / f"{name}.wav", tone(3.0))
    return tmp_path / "in"


def texts(corpus: Corpus) -> list[str | None]:
    return [one.text for one in corpus]


def reasons(corpus: Corpus) -> list[str]:
    return [reject["reason"] for reject in read_rejects(corpus)]


@pytest.mark.parametrize("path", ["path", "audio_filepath", "file_name", "wav_filename"])
@pytest.mark.parametrize("text", ["text", "sentence", "transcript", "transcription", "normalized_text"])
def test_nemo_offset_and_duration_were_ignored_and_columns_of_other_names_not_read(
    folder: Path, path: str, text: str
) -> None:
    (folder / "m.jsonl").write_text(json.dumps({path: "a.wav", "offset": 1.0, "duration": 0.5, text: "hi"}) + "\n")
    (one,) = add(folder / "m.jsonl", folder.parent / "root")
    assert (one.offset, one.samples, one.text) == (16_000, 8000, "hi")


def test_times_that_contradict_each_other_are_one_reject(folder: Path) -> None:
    rows = [
        {"path": "a.wav", "text": "x", "start": 0.5, "end": 1.5, "duration": 1.0},
        {"path": "b.wav", "text": "x", "start": 0.5, "end": 1.5, "duration": 2.5},
        {"path": "c.wav", "text": "x", "start": 0.5, "offset": 1.5, "end": 2.0},
        {"path": "c.wav", "text": "x", "start": 1e400, "id": "inf"},
        {"path": "c.wav", "text": "x", "start": True, "id": "bool"},
    ]
    (folder / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = add(folder / "m.jsonl", folder.parent / "root")
    assert corpus.ids == ["a/0000500-0001500"]
    assert "start and duration give 3" in reasons(corpus)[0]
    assert "offset is 1.5" in reasons(corpus)[1]


def test_a_text_that_is_nan_became_the_word_nan(folder: Path) -> None:
    lines = ['{"path": "a.wav", "text": NaN}', '{"path": "b.wav", "text": 7}', '{"path": "c.wav", "text": 1.5}']
    (folder / "m.jsonl").write_text("\n".join(lines))
    corpus = add(folder / "m.jsonl", folder.parent / "root")
    assert texts(corpus) == ["7"]
    assert "no text" in reasons(corpus)[0]
    assert "not a string" in reasons(corpus)[1]
    pq.write_table(pa.table({"path": ["a.wav", "b.wav"], "text": [float("nan"), 2.5]}), folder / "m.parquet")
    with pytest.raises(UserError, match="no text"):
        add(folder / "m.parquet", folder.parent / "root")


def test_one_bad_line_stopped_the_whole_manifest(folder: Path) -> None:
    good = '{"path": "a.wav", "text": "one"}'
    bad = [b"{'path': 1}", b"[1]", b'{"path": "b.wav", "text": "\xff"}', b"[" * 100_000]
    bad.append(b'{"path": "b.wav", "text": "\\ud800"}')
    bad += [b'{"path": "b\\u0000.wav", "text": "x"}', b'{"path": "a.wav", "text": "x", "end": 1' + b"0" * 400 + b"}"]
    (folder / "m.jsonl").write_bytes(b"\n".join([good.encode(), *bad]) + b"\n")
    corpus = add(folder / "m.jsonl", folder.parent / "root")
    assert texts(corpus) == ["one"]
    assert len(reasons(corpus)) == len(bad)
    assert all("m.jsonl, line" in reason for reason in reasons(corpus))
    with pytest.raises(UserError, match="7 of 8 inputs were rejected"):
        add(folder / "m.jsonl", folder.parent / "other", max_reject_rate=0.5)


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\x1c", "\x0b"])
def test_a_line_separator_inside_a_field_broke_the_line(folder: Path, separator: str) -> None:
    row = {"path": "a.wav", "text": f"one{separator}two"}
    (folder / "m.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n")
    (folder / "m.tsv").write_bytes(f"path\ttext\r\na.wav\tone{separator}two\r\n".encode())
    assert texts(add(folder / "m.jsonl", folder.parent / "root")) == ["one two"]
    assert texts(add(folder / "m.tsv", folder.parent / "root")) == ["one two"]


@pytest.mark.parametrize("name", ["m.tsv", "m.TSV", "m.csv", "m.CSV"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_csv_quotes_stayed_in_the_text_and_a_column_sentence_was_ignored(folder: Path, name: str, bom: str) -> None:
    said = ['she said "go"', '"We won', 'he said."', '"Where is my horse?"', "a, b", "two\nlines"]
    with (folder / name).open("w", newline="") as stream:
        stream.write(bom)
        writer = csv.writer(stream, delimiter="\t" if "t" in name.lower() else ",")
        writer.writerow(["path", "client_id", "sentence", "id"])
        writer.writerows(["a.wav", "s", text, f"u{n}"] for n, text in enumerate(said))
    corpus = add(folder / name, folder.parent / "root")
    assert texts(corpus) == [" ".join(text.split()) for text in said]
    assert {one.speaker for one in corpus} == {"s"}


def test_a_stray_quote_in_a_plain_tsv_swallowed_rows(folder: Path) -> None:
    said = ['"We won', "and so", 'he said."', '"Stop!" Ben cried.', '"Where is my horse?"', '5" pipe']
    lines = ["path\ttext\tid", *(f"a.wav\t{text}\tu{n}" for n, text in enumerate(said)), "short row"]
    (folder / "m.tsv").write_text("\n".join(lines))
    corpus = add(folder / "m.tsv", folder.parent / "root")
    assert texts(corpus) == said
    assert "wrong number of columns (1, and 3" in reasons(corpus)[0]


def test_a_table_without_text_gave_a_corpus_without_text_in_silence(folder: Path, capsys) -> None:
    (folder / "m.tsv").write_text("path\twhat_is_said\na.wav\tone\n")
    assert texts(add(folder / "m.tsv", folder.parent / "root")) == [None]
    assert "no column with transcripts among path, what_is_said" in capsys.readouterr().err


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("named", ["NFC", "NFD"])
def test_a_name_in_another_normal_form_was_no_such_file(tmp_path: Path, on_disk: str, named: str) -> None:
    folder = tmp_path / unicodedata.normalize(on_disk, "Gespräche")
    save(folder / unicodedata.normalize(on_disk, "Zoë.wav"), tone(1.0))
    (folder / unicodedata.normalize(named, "Zoë.txt")).write_text("so")
    listed = unicodedata.normalize(named, "Gespräche/Zoë.wav")
    (tmp_path / "m.jsonl").write_text(json.dumps({"path": listed, "text": "hi"}))
    (one,) = add(tmp_path / "m.jsonl", tmp_path / "root")
    assert len(read_utterance(one)) == 16_000
    assert one.id == "Gespräche/Zoë"
    assert texts(add(folder, tmp_path / "root")) == ["so"]


def test_times_in_hugging_face_parquet_were_ignored(folder: Path) -> None:
    audio = [{"bytes": wav(), "path": "x"}] * 4
    columns = {"start": [1.0, 200.0, 1.0, None], "end": [2.5, 207.1, 9.0, None], "text": ["part", "own", "late", "all"]}
    pq.write_table(pa.table({"audio": audio, **columns}), folder / "x.parquet")
    corpus = add(folder / "x.parquet", folder.parent / "root")
    assert [(one.text, one.samples) for one in corpus] == [("part", 24_000), ("own", 113_600), ("all", 113_600)]
    assert "no audio from 1 s to 9 s" in reasons(corpus)[0]
    np.testing.assert_array_equal(read_utterance(corpus[0]), read_utterance(corpus[2])[16_000:40_000])


def cut(**changes: object) -> dict:
    source = {"type": "file", "channels": [0], "source": "a.wav"}
    recording = {"id": "r", "sources": [source], "sampling_rate": 16_000, "num_samples": 48_000, "duration": 3.0}
    return {"id": "c", "start": 0, "duration": 3.0, "channel": 0, "recording": recording, "type": "MonoCut", **changes}


def said(start: float, duration: float, text: str, speaker: str = "s") -> dict:
    return {"id": text, "start": start, "duration": duration, "text": text, "speaker": speaker}


def test_a_supervision_that_two_cuts_share_gave_its_text_to_both(folder: Path) -> None:
    cuts = [
        cut(id="1", duration=1.5, supervisions=[said(1.3, 1.0, "second"), said(0, 1.3, "first")]),
        cut(id="2", start=1.5, duration=1.5, supervisions=[said(-0.2, 1.0, "second")]),
        cut(id="3", supervisions=[said(1.5, 1, "late"), said(0.2, 1, "early")]),
        cut(id="4", supervisions=[said(0, 2, "one", "A"), said(1, 2, "two", "B")]),
        cut(id="5", start=-1, supervisions=[said(0, 2, "one")]),
        cut(id="6", start=1, duration=2.4, supervisions=[said(0, 2.4, "long")]),
        cut(id="7", start=float("nan"), supervisions=[said(0, 2.4, "long")]),
    ]
    (folder / "cuts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in cuts))
    corpus = add(folder / "cuts.jsonl", folder.parent / "root")
    found = {one.id: (one.text, one.offset, one.samples) for one in corpus}
    assert found == {
        "1": ("first", 0, 24_000),
        "2": ("second", 24_000, 24_000),
        "3": ("early late", 0, 48_000),
        "6": ("long", 16_000, 32_000),
    }
    assert "A and B speak at the same time (1.00 s)" in reasons(corpus)[0]
    assert "it starts at -1 s" in reasons(corpus)[1]
