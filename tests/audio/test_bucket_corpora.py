"""Corpora in a bucket: the rows, audio and rejects of the same files on a disk."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import s3fs

from lst_cli.artifacts import Store
from lst_cli.audio.add import AddOptions
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.audio.decode import read_utterance
from lst_cli.audio.layouts import LAYOUTS, choose_layout
from lst_cli.audio.show import read_rejects
from lst_cli.errors import LstError, UserError
from lst_cli.storage import bucket_listing
from lst_cli.storage.bucket_path import path_or_url
from lst_cli.storage.remote import Remote
from tests.audio.adding import plan_corpus
from tests.audio.sounds import save, save_spoken, tone
from tests.audio.test_embedded import encoded, write
from tests.storage.buckets import upload


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def add(root: Path, source: object, **options: object) -> Corpus:
    plan = plan_corpus(AddOptions(source=path_or_url(str(source)), name="c", **options))  # type: ignore[arg-type]
    return Corpus(Store(root).build(*plan).artifact)


def test_a_folder(tmp_path: Path, bucket: str) -> None:
    for n in range(6):
        save_spoken(tmp_path / "in" / f"s{n % 2}" / f"{n}.wav", f"text {n}", 0.3 + n / 10, 22_050)
    near = add(tmp_path / "near", tmp_path / "in")
    far = add(tmp_path / "far", upload(tmp_path / "in", f"{bucket}/speech"))
    assert far.ids == near.ids
    for one, other in zip(far, near, strict=True):
        assert str(one.path) == f"{bucket}/speech/{other.id}.wav"
        assert (one.text, one.offset, one.samples) == (other.text, other.offset, other.samples)
        assert np.array_equal(read_utterance(one), read_utterance(other))


def lay_out(folder: Path, layout: str) -> tuple[Path, dict[str, object]]:
    """A small corpus; its source, and the options to add it with."""
    if layout == "folder":
        for n in range(4):
            save_spoken(folder / "s" / f"{n}.wav", f"text {n}")
        save_spoken(folder / "deeper" / "é" / "x.normalized.wav", "accent")
        save(folder / ".hidden" / "z.wav", tone(0.3))
    elif layout == "librispeech":
        save(folder / "1" / "2" / "1-2-0.flac", tone(0.4))
        save(folder / "1" / "2" / "1-2-1.flac", tone(0.5))
        (folder / "1" / "2" / "1-2.trans.txt").write_text("1-2-0 ONE TWO\n1-2-1 THREE\n")
    elif layout == "mls":
        save(folder / "train" / "audio" / "1" / "2" / "1_2_0.flac", tone(0.4))
        (folder / "train" / "transcripts.txt").write_text("1_2_0\tONE TWO\n")
    elif layout == "librilight":
        save(folder / "9" / "b" / "n.flac", tone(3.0))
        activity = {"speaker": 9, "voice_activity": [[0.1, 1.0], [1.5, 2.5]]}
        (folder / "9" / "b" / "n.json").write_text(json.dumps(activity))
        return folder, {"with_text": False}
    elif layout == "ljspeech":
        save(folder / "wavs" / "a.wav", tone(0.4))
        (folder / "metadata.csv").write_text("a|Dr. One|doctor one\n")
    elif layout == "vctk":
        save(folder / "wav48_silence_trimmed" / "p1" / "p1_1_mic1.flac", tone(0.4))
        save(folder / "wav48_silence_trimmed" / "p1" / "p1_1_mic2.flac", tone(0.4))
        (folder / "txt" / "p1").mkdir(parents=True)
        (folder / "txt" / "p1" / "p1_1.txt").write_text("please call")
    elif layout == "commonvoice":
        save(folder / "clips" / "c.wav", tone(0.4))
        (folder / "validated.tsv").write_text("client_id\tpath\tsentence\nx\tc.wav\thello\n")
    elif layout == "audiofolder":
        save(folder / "train" / "a.wav", tone(0.4))
        (folder / "train" / "metadata.csv").write_text("file_name,transcription\na.wav,hello\n")
    elif layout == "manifest":
        save(folder / "audio" / "long.wav", tone(5.0))
        rows = [{"path": "long.wav", "text": f"t{n}", "start": n, "duration": 0.9} for n in range(5)]
        (folder / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder / "m.jsonl", {}
    elif layout == "lhotse":
        save(folder / "r.wav", tone(2.0))
        recording = {"sources": [{"type": "file", "channels": [0], "source": "r.wav"}]}
        spoken = [{"start": 0.0, "duration": 1.0, "text": "hi", "speaker": "s"}]
        cut = {"id": "x", "type": "MonoCut", "start": 0.5, "duration": 1.0, "channel": 0, "recording": recording}
        (folder / "cuts.jsonl").write_text(json.dumps({**cut, "supervisions": spoken}) + "\n")
        return folder / "cuts.jsonl", {}
    else:
        write(folder / "data" / "train-0.parquet", [(f"row {n}", encoded(0.3 + n / 10, 16_000)) for n in range(3)])
    return folder, {}


@pytest.mark.parametrize("store", ["s3", "file"])
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_layout(tmp_path: Path, bucket: str, layout: str, store: str) -> None:
    source, options = lay_out(tmp_path / "in", layout)
    assert choose_layout(source).name == layout
    url = upload(tmp_path / "in", f"{bucket}/in") if store == "s3" else (tmp_path / "in").as_uri()
    near = add(tmp_path / "near", source, **options)
    far = add(tmp_path / "far", f"{url}/{source.name}" if source.is_file() else url, **options)
    assert len(near) > 0
    assert far.artifact.fingerprint != near.artifact.fingerprint
    columns = ("id", "text", "speaker", "source", "offset", "samples", "sample_rate", "channel", "gain")
    assert far.table.select(columns).equals(near.table.select(columns))
    for one, other in zip(far, near, strict=True):
        assert np.array_equal(read_utterance(one), read_utterance(other))
        assert layout == "huggingface" or str(one.path).startswith(url)


def test_one_listing_and_no_request_for_each_file(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(40):
        save_spoken(tmp_path / "in" / f"s{n % 8}" / f"{n}.wav", f"text {n}", 0.1)
    url = upload(tmp_path / "in", bucket)
    asked: list[str] = []
    for name in ("read", "read_all", "read_range", "facts", "files_below", "entries"):
        real = getattr(Remote, name)

        def counted(self: Remote, *arguments: object, name: str = name, real: Callable[..., object] = real) -> object:
            asked.append(name)
            return real(self, *arguments)

        monkeypatch.setattr(Remote, name, counted)
    plan_corpus(AddOptions(source=path_or_url(url), name="c"))
    # One listing, and the 40 transcripts at once.
    assert asked == ["files_below", "read_all"]


def test_unchanged_it_is_up_to_date_and_a_changed_object_makes_another(tmp_path: Path, bucket: str) -> None:
    for n in range(3):
        save_spoken(tmp_path / "in" / f"{n}.wav", f"text {n}")
    url = upload(tmp_path / "in", bucket)
    first = add(tmp_path / "root", url).artifact
    assert add(tmp_path / "root", url).artifact.fingerprint == first.fingerprint
    (tmp_path / "in" / "1.txt").write_text("another text")
    upload(tmp_path / "in", bucket)
    second = add(tmp_path / "root", url)
    assert second.artifact.fingerprint != first.fingerprint and second.find("1").text == "another text"


def manifest(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_manifest_on_a_disk_that_names_objects(tmp_path: Path, bucket: str) -> None:
    save(tmp_path / "in" / "a" / "x.wav", tone(0.5))
    save(tmp_path / "in" / "b" / "y.wav", tone(0.6))
    url = upload(tmp_path / "in", f"{bucket}/deep/er")
    paths = [f"{url}/a/x.wav", f"{url}/b/y.wav", str(tmp_path / "in" / "a" / "x.wav")]
    rows = [{"path": path, "text": f"text {n}"} for n, path in enumerate(paths)]
    corpus = add(tmp_path / "root", manifest(tmp_path / "m.jsonl", rows))
    assert [str(one.path) for one in corpus] == paths
    assert corpus.ids[:2] == [f"{url}/a/x", f"{url}/b/y"]
    assert [len(read_utterance(one)) for one in corpus] == [8000, 9600, 8000]


def test_rows_that_name_nothing_to_read_are_rejects_of_their_own(tmp_path: Path, bucket: str) -> None:
    save(tmp_path / "in" / "x.wav", tone(0.5))
    (tmp_path / "in" / "empty.wav").touch()
    (tmp_path / "in" / "text.wav").write_text("no sound")
    url = upload(tmp_path / "in", f"{bucket}/in")
    bad = {
        f"{url}/none.wav": "no such file",
        f"{bucket}-none/x.wav": "no such file",
        f"{url}/empty.wav": "0 bytes",
        "text.wav": "its contents are text",
        "/etc/x.wav": "the path /etc/x.wav of a disk in a table in a bucket",
        "s3://me:secret@bucket/x.wav": "a URL with a password",
        "https://example.org/x.wav": "the address of a web server",
    }
    rows: list[dict[str, object]] = [{"path": path, "id": str(n)} for n, path in enumerate(["x.wav", *bad])]
    manifest(tmp_path / "in" / "m.jsonl", rows)
    upload(tmp_path / "in", url)
    corpus = add(tmp_path / "root", f"{url}/m.jsonl", with_text=False, max_reject_rate=0.9)
    assert corpus.ids == ["0"]
    rejects = {each["id"]: each["reason"] for each in read_rejects(corpus)}
    assert rejects.keys() == {str(n) for n in range(1, 8)}
    for (path, reason), found in zip(bad.items(), rejects.values(), strict=True):
        assert reason in found, path
    assert "secret" not in json.dumps(rejects)


def test_files_in_many_folders_are_found_by_one_listing(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_listing, "_MOST_FOLDERS", 3)
    for n in range(5):
        save(tmp_path / "in" / f"folder{n}" / "x.wav", tone(0.2))
    url = upload(tmp_path / "in", f"{bucket}/in")
    listed: list[str] = []
    real = Remote.files_below
    monkeypatch.setattr(Remote, "files_below", lambda self: (listed.append(self.url), real(self))[1])
    rows: list[dict[str, object]] = [{"path": f"{url}/folder{n}/x.wav"} for n in range(5)]
    assert len(add(tmp_path / "root", manifest(tmp_path / "m.jsonl", rows), with_text=False)) == 5
    assert listed == [url]


def test_names_in_another_normal_form_and_of_odd_characters(
    tmp_path: Path, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [unicodedata.normalize("NFD", "é.wav"), "a b+c[1]*?.wav", "ü/ö.wav"]
    fs = s3fs.S3FileSystem()
    save(tmp_path / "a.wav", tone(0.3))
    fs.pipe_file(f"{bucket}/in/ü/", b"")  # as the console of S3 makes folders
    for name in (*names, "odd//x.wav"):
        fs.pipe_file(f"{bucket}/in/{name}", (tmp_path / "a.wav").read_bytes())
    assert len(add(tmp_path / "folder", f"{bucket}/in", with_text=False)) == 3
    assert ": 1 objects have an empty folder name" in " ".join(capsys.readouterr().err.split())
    rows: list[dict[str, object]] = [{"path": unicodedata.normalize("NFC", name)} for name in names]
    upload(manifest(tmp_path / "m" / "m.jsonl", rows).parent, f"{bucket}/in")
    corpus = add(tmp_path / "named", f"{bucket}/in/m.jsonl", with_text=False)
    assert [len(read_utterance(one)) for one in corpus] == [4800] * 3


def test_a_source_that_is_not_there(tmp_path: Path, bucket: str) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        add(tmp_path, f"{bucket}/none")
    with pytest.raises(UserError, match="no such"):
        add(tmp_path, f"{bucket}-none")
    with pytest.raises(UserError, match="a URL with a password"):
        add(tmp_path, "s3://me:secret@bucket/in")
    assert not list(tmp_path.rglob("artifact.json"))


def test_a_store_that_refuses_gives_one_error_and_no_rejects(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        save(tmp_path / "in" / f"{n}.wav", tone(0.2))
    url = upload(tmp_path / "in", bucket)

    def refused(self: Remote, *_: object) -> None:
        raise UserError("access denied", fix="give credentials")

    for name in ("read_range", "files_below"):  # while it decodes, and while it lists
        monkeypatch.setattr(Remote, name, refused)
        with pytest.raises(LstError, match="access denied") as raised:
            add(tmp_path / "root", url, with_text=False, max_reject_rate=1.0)
        assert raised.value.exit_code == 1
    assert not list(tmp_path.rglob("artifact.json"))
