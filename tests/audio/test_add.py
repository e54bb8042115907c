from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import lst_cli.audio.add as add
import lst_cli.audio.facts as facts
from lst_cli.artifacts import Artifact, Store
from lst_cli.audio.add import AddOptions
from lst_cli.audio.corpus_artifact import CORPUS, Corpus
from lst_cli.audio.decode import read_utterance
from lst_cli.audio.show import describe_corpus, read_rejects
from lst_cli.errors import UserError
from tests.audio.adding import plan_corpus
from tests.audio.sounds import save, save_spoken, tone


def build(store: Store, source: Path, **options) -> Artifact:
    return store.build(*plan_corpus(AddOptions(source=source, name="c", **options))).artifact


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_spoken(tmp_path / "in" / "b.wav", "second", 1.0)
    save_spoken(tmp_path / "in" / "a.flac", "first one", 0.5, 22_050)
    return tmp_path / "in"


def nothing_left(store: Store) -> bool:
    return not any(path.is_file() for path in store.root.rglob("*") if "parts" not in path.parts)


def test_a_folder_becomes_a_corpus_that_points_at_it(store: Store, folder: Path) -> None:
    corpus = Corpus(build(store, folder))
    assert corpus.ids == ["a", "b"]
    first = corpus[0]
    assert (first.path, first.offset, first.samples, first.sample_rate) == (folder / "a.flac", 0, 11_025, 22_050)
    assert (first.text, first.source, first.speaker) == ("first one", "c", None)
    assert len(read_utterance(corpus.find("b"))) == 16_000
    np.testing.assert_allclose(corpus.seconds, [0.5, 1.0])
    assert list(corpus) == [corpus[0], corpus[1]]
    assert "b" in corpus
    with pytest.raises(UserError, match="no utterance 'z'"):
        corpus.find("z")
    assert corpus.artifact.statistics["utterances"] == 2


def test_the_same_contents_are_up_to_date_and_changed_ones_a_new_version(store: Store, folder: Path) -> None:
    first = build(store, folder)
    (folder / "a.flac").touch()
    assert build(store, folder).version == first.version
    (folder / "a.txt").write_text("first two")
    second = build(store, folder)
    assert second.version != first.version
    save(folder / "b.wav", tone(1.0, hertz=441))
    third = build(store, folder)
    assert len({first.version, second.version, third.version, build(store, folder, with_text=False).version}) == 4


def test_segments_are_cut_without_copying(store: Store, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(32_000)).astype(np.float32)
    save(tmp_path / "long.wav", samples, subtype="FLOAT")
    rows = ["path\tid\tstart\tend", "long.wav\tz\t0.5\t1.25", "long.wav\ta\t1.5\t", "long.wav\tm\t1\t2.01"]
    (tmp_path / "m.tsv").write_text("\n".join(rows))
    corpus = Corpus(build(store, tmp_path / "m.tsv"))
    assert corpus.ids == ["z", "a", "m"]
    np.testing.assert_array_equal(read_utterance(corpus[0]), samples[8000:20_000])
    np.testing.assert_array_equal(read_utterance(corpus[1]), samples[24_000:])
    assert corpus[2].samples == 16_000  # 10 ms beyond the end are cut away
    assert [path.name for path in corpus.artifact.path.iterdir() if path.suffix == ".wav"] == []


def test_a_segment_beyond_its_file_is_rejected(store: Store, tmp_path: Path) -> None:
    save(tmp_path / "a.wav", tone(1.0))
    (tmp_path / "m.tsv").write_text("path\tstart\tend\na.wav\t0\t1\na.wav\t0.5\t1.5\na.wav\t3\t\n")
    rejects = read_rejects(Corpus(build(store, tmp_path / "m.tsv", max_reject_rate=0.7)))
    assert len(rejects) == 2
    assert "no audio from 0.5 s to 1.5 s, it ends at 1.000 s" in rejects[0]["reason"]
    assert "no audio from 3 s to its end" in rejects[1]["reason"]


def spoil_zero(folder: Path) -> None:
    save_spoken(folder / "bad.wav", "x", 0.0)


def spoil_text(folder: Path) -> None:
    save_spoken(folder / "bad.wav", "x").write_text("words")


def spoil_nan(folder: Path) -> None:
    save_spoken(folder / "bad.wav", "x")
    save(folder / "bad.wav", np.full(100, np.nan, np.float32), subtype="FLOAT")


def spoil_transcript(folder: Path) -> None:
    save(folder / "bad.wav", tone(0.1))


def spoil_encoding(folder: Path) -> None:
    save_spoken(folder / "bad.wav", "x").with_suffix(".txt").write_bytes(b"\xff\xfe")


def spoil_id(folder: Path) -> None:
    save_spoken(folder / "bad.wav", "x")
    save_spoken(folder / "bad.flac", "x")


def spoil_name(folder: Path) -> None:
    save_spoken(folder / "x.wav", "x").rename(folder / os.fsdecode(b"bad.\xe9.wav"))
    (folder / "x.txt").rename(folder / os.fsdecode(b"bad.\xe9.txt"))


@pytest.mark.parametrize(
    "spoil", [spoil_name, spoil_zero, spoil_text, spoil_nan, spoil_transcript, spoil_encoding, spoil_id]
)
def test_bad_input_fails_or_is_listed_and_leaves_nothing_half_made(store: Store, folder: Path, spoil) -> None:
    spoil(folder)
    with pytest.raises(UserError, match=r"bad\.") as raised:
        build(store, folder)
    assert "--max-reject-rate" in str(raised.value)
    assert nothing_left(store)
    corpus = Corpus(build(store, folder, max_reject_rate=0.5))
    assert corpus.ids == ["a", "b"]
    rejects = read_rejects(corpus)
    assert all(reject["id"].startswith("bad") for reject in rejects)
    assert all("bad." in reject["reason"] for reject in rejects)


def test_an_empty_folder_and_nothing_but_rejects_are_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="no audio in this source"):
        build(store, tmp_path / "in")
    spoil_text(tmp_path / "in")
    with pytest.raises(UserError, match="1 of 1 inputs were rejected"):
        build(store, tmp_path / "in", max_reject_rate=1.0)
    assert nothing_left(store)


def test_what_was_checked_before_a_crash_is_not_decoded_again(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "_LEAST_FILES", 1)
    inspected: list[str] = []
    real = add.inspect_audio

    def dies_at_the_second(path: Path):
        if inspected == ["a.flac"]:
            inspected.append("crash")
            raise KeyboardInterrupt
        inspected.append(path.name)
        return real(path)

    monkeypatch.setattr(add, "inspect_audio", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        build(store, folder)
    assert store.existing(plan_corpus(AddOptions(source=folder, name="c"))[0]) is None
    build(store, folder)
    assert inspected == ["a.flac", "crash", "b.wav"]


def test_show_counts_hours_lengths_and_rejects(store: Store, folder: Path) -> None:
    spoil_text(folder)
    facts = describe_corpus(Corpus(build(store, folder, max_reject_rate=0.5)))
    assert facts["hours"] == pytest.approx(1.5 / 3600)
    assert (facts["utterances"], facts["with_text"], facts["words"], facts["files"]) == (2, 2, 3, 2)
    assert [(bin["from_s"], bin["to_s"], bin["utterances"]) for bin in facts["lengths"]] == [(0, 1, 1), (1, 2, 1)]
    assert facts["sample_rates"] == {"16000": 1, "22050": 1}
    assert facts["rejects"][0]["id"] == "bad"


def test_the_reader_refuses_another_kind_and_a_newer_schema(store: Store, folder: Path) -> None:
    artifact = build(store, folder)
    manifest = artifact.path / "artifact.json"
    manifest.write_text(manifest.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(UserError, match="unsupported schema version"):
        store.find("corpus/c", CORPUS)
