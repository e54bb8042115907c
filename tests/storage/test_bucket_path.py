"""Files and folders in buckets as paths."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from lst_cli.errors import LstError, UserError
from lst_cli.storage import bucket_listing
from lst_cli.storage.bucket_listing import BucketListing, split_url
from lst_cli.storage.bucket_path import BucketPath, bucket_path, path_or_url
from lst_cli.storage.remote import ObjectFacts, Remote


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/x.wav", "a/x.txt", "a/b/y.wav", "a/.hidden/z.wav", "c.tsv", "a-b/q.wav"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "in"


def test_names() -> None:
    path = BucketPath("s3://bucket/a/b.c/d.tar.gz")
    assert (path.name, path.stem, path.suffix) == ("d.tar.gz", "d.tar", ".gz")
    assert str(path.parent) == "s3://bucket/a/b.c"
    assert [each.url for each in path.parents] == ["s3://bucket/a/b.c", "s3://bucket/a", "s3://bucket"]
    assert (path.parent / "../x/./y.wav").url == "s3://bucket/a/x/y.wav"
    assert (BucketPath("s3://bucket/a") / "../../../x").url == "s3://bucket/x"
    assert path.with_suffix(".txt").url == "s3://bucket/a/b.c/d.tar.txt"
    assert path.relative_to("s3://bucket/a").as_posix() == "b.c/d.tar.gz"
    assert BucketPath("file:///a/b").parent.url == "file:///a"
    assert split_url("s3://bucket/") == ("s3://bucket", "") and split_url("file:///a/b") == ("file://", "a/b")


def test_what_an_argument_names(tmp_path: Path) -> None:
    assert path_or_url("a/b") == Path("a/b")
    assert path_or_url(f"{tmp_path.as_uri()}/") == BucketPath(tmp_path.as_uri())
    for url in ("s3://me:secret@b/x", "https://example.org/x.wav"):
        with pytest.raises(UserError):
            bucket_path(url)


def test_a_listed_folder_is_walked_like_a_disk(folder: Path) -> None:
    top = BucketPath(folder.as_uri()).resolve()
    assert [each.relative_to(top.url).as_posix() for each in top.files_below()] == [
        *("a/b/y.wav", "a/x.txt", "a/x.wav", "a-b/q.wav", "c.tsv")
    ]
    assert top.is_dir() and not top.is_file() and (top / "a").is_dir() and (top / "a/x.wav").is_file()
    assert not (top / "none").exists() and not (top / "a/x.wav/y").exists()
    assert sorted(each.name for each in top.glob("*.tsv")) == ["c.tsv"]
    assert sorted(each.url for each in top.glob("a*/*.wav")) == [f"{top}/a-b/q.wav", f"{top}/a/x.wav"]
    assert sorted(each.name for each in top.glob("*/")) == ["a", "a-b"]
    assert (top / "a/x.wav").facts().bytes == 7 and (top / "a/x.wav").read_bytes() == b"a/x.wav"
    with pytest.raises(FileNotFoundError):
        (top / "a/none.wav").open()
    with pytest.raises(FileNotFoundError):
        (top / "a/none.wav").read_bytes()


def test_small_files_are_fetched_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_listing, "_AHEAD_FILES", 4)
    for number in range(10):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
        (tmp_path / f"{number}.wav").write_text("sound")
    asked: list[int] = []
    real = Remote.read_all
    monkeypatch.setattr(Remote, "read_all", lambda self, names: (asked.append(len(names)), real(self, names))[1])
    top = BucketPath(tmp_path.as_uri()).resolve()
    for number in (*range(10), 3):
        assert (top / f"{number}.txt").read_bytes() == b"text %d" % number
    assert asked == [4, 4, 2, 4]


def test_a_recorded_file_outlives_its_listing(folder: Path) -> None:
    path = BucketPath(f"{folder.as_uri()}/c.tsv", ObjectFacts(5, "then"))
    assert pickle.loads(pickle.dumps(path)) == path
    assert path.facts() == ObjectFacts(5, "then")
    with pytest.raises(UserError, match="the object was changed"):
        path.open().read()


def test_a_refusal_is_not_the_absence_of_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Remote, *_: str) -> None:
        raise UserError("access denied")

    url = folder.as_uri()
    for name in ("facts", "entries", "files_below"):
        monkeypatch.setattr(Remote, name, refused)
    for ask in (
        lambda: BucketPath(url).resolve(),
        lambda: BucketPath(f"{url}/c.tsv").is_file(),
        lambda: BucketPath(f"{url}/c.tsv", listing=BucketListing()).exists(),
        lambda: BucketListing().look_up([f"{url}/c.tsv"]),
    ):
        with pytest.raises(LstError, match="access denied") as raised:
            ask()
        assert raised.value.exit_code == 1
