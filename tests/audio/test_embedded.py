from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

import lst_cli.audio.unpack as unpack
from lst_cli.artifacts import Artifact, Store
from lst_cli.audio.add import AddOptions
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.audio.decode import read_samples, read_utterance
from lst_cli.audio.layouts import choose_layout
from lst_cli.audio.show import read_rejects
from lst_cli.errors import UserError
from tests.audio.adding import plan_corpus
from tests.audio.sounds import tone


def encoded(seconds: float, rate: int, form: str = "FLAC") -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, tone(seconds, rate), rate, format=form)
    return stream.getvalue()


def write(path: Path, rows: list[tuple[str | None, bytes | None]], **columns: list) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = [{"bytes": data, "path": f"{n}.flac"} for n, (_, data) in enumerate(rows)]
    pq.write_table(pa.table({"audio": audio, "text": [text for text, _ in rows], **columns}), path, row_group_size=2)
    return path


def build(root: Path, source: Path, **options) -> Artifact:
    return Store(root).build(*plan_corpus(AddOptions(source=source, name="c", **options))).artifact


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    rows = [("one", encoded(0.2, 16_000)), ("two", encoded(0.3, 16_000)), ("three", encoded(0.5, 8000, "WAV"))]
    write(tmp_path / "hf" / "train-00000.parquet", rows, speaker_id=["s", "t", "s"])
    write(tmp_path / "hf" / "train-00001.parquet", rows[:1], speaker_id=["u"])
    return tmp_path / "hf"


def test_audio_inside_parquet_becomes_a_corpus_of_its_own(tmp_path: Path, data_set: Path) -> None:
    assert choose_layout(data_set).name == "huggingface"
    corpus = Corpus(build(tmp_path / "root", data_set))
    assert corpus.ids == [
        "train-00000/000000",
        "train-00000/000001",
        "train-00000/000002",
        "train-00001/000000",
    ]
    assert [(one.text, one.speaker, one.sample_rate) for one in corpus][1:3] == [
        ("two", "t", 16_000),
        ("three", "s", 8000),
    ]
    assert {one.path.parent for one in corpus} == {corpus.artifact.path}
    assert len({one.path for one in corpus}) == 3  # a new file for another rate, and for another Parquet file
    np.testing.assert_allclose(read_samples(corpus[1].path, corpus[1].offset, 4800)[0], tone(0.3), atol=1e-4)
    assert len(read_utterance(corpus[2])) == 8000


def test_a_file_is_unpacked_alike_and_only_once(tmp_path: Path, data_set: Path, monkeypatch) -> None:
    expected = [record.sha256 for record in build(tmp_path / "1", data_set, workers=1).files]
    decoded: list[bytes | None] = []
    real = unpack._decode

    def stops(data: bytes | None):
        decoded.append(data)
        if len(decoded) == 4:
            raise KeyboardInterrupt
        return real(data)

    monkeypatch.setattr(unpack, "_decode", stops)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "2", data_set, workers=1)
    again = build(tmp_path / "2", data_set, workers=2)
    assert [record.sha256 for record in again.files] == expected
    assert len(decoded) == 5


def test_bad_rows_are_rejected_by_row(tmp_path: Path) -> None:
    stream = io.BytesIO()
    soundfile.write(stream, np.full(9, np.inf), 8000, format="WAV", subtype="FLOAT")
    bad = [b"text", None, encoded(0.0, 8000, "WAV"), stream.getvalue()]
    path = write(tmp_path / "x.parquet", [("fine", encoded(0.1, 8000)), *(("x", data) for data in bad), (None, b"")])
    rejects = read_rejects(Corpus(build(tmp_path / "root", path, max_reject_rate=0.9)))
    expected = ["not audio", "no audio bytes", "zero length", "not a finite number", "no text"]
    for number, (reject, words) in enumerate(zip(rejects, expected, strict=True), start=1):
        assert f"row {number}" in reject["reason"]
        assert words in reject["reason"]


def test_a_data_set_without_text_needs_the_option(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"audio": [{"bytes": encoded(0.1, 8000), "path": "x"}], "id": ["a"]}), path)
    with pytest.raises(UserError, match="--no-text"):
        build(tmp_path / "root", path)
    assert Corpus(build(tmp_path / "root", path, with_text=False)).ids == ["a"]
