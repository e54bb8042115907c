"""Artifacts go to a bucket and come back, whole or not at all."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.artifacts import bucket_exchange as module
from lst_cli.artifacts.bucket import artifacts_below, find_in_bucket
from lst_cli.artifacts.bucket_exchange import pull_from_bucket, push_to_bucket
from lst_cli.artifacts.maintenance import verify
from lst_cli.artifacts.manifest import MANIFEST
from lst_cli.errors import LstError, UserError
from lst_cli.storage.remote import Remote
from tests.storage.buckets import new_bucket

THING = Kind("thing", 1)
FILES = {"a.bin": bytes(range(256)) * 1000, "deep/b.bin": b"b" * 1000, "c.txt": b"hello"}


class Killed(BaseException):
    """Stands for the death of the process: no clean-up of ours may depend on it."""


@pytest.fixture(params=["s3", "file"])
def url(request: pytest.FixtureRequest, s3: str, tmp_path: Path) -> str:
    return f"{new_bucket()}/some/where" if request.param == "s3" else f"{tmp_path.as_uri()}/bucket"


def thing(root: Path, name: str = "x", number: int = 0, **changed: bytes) -> Artifact:
    def make(draft: Draft) -> None:
        for path, content in {**FILES, **changed}.items():
            (draft.path / path).parent.mkdir(exist_ok=True)
            (draft.path / path).write_bytes(content)

    return Store(root).build(Request(kind=THING, name=name, config={"number": number}), make).artifact


def test_an_artifact_comes_back(tmp_path: Path, url: str) -> None:
    here = thing(tmp_path / "here")
    place, fresh = push_to_bucket(here, url)
    assert place == f"{url}/{here.reference}" and fresh
    assert set(Remote(place).files_below()) == {*FILES, MANIFEST}
    assert push_to_bucket(here, f"{url}/") == (place, False)
    for address in (place, f"{url}/thing/x", f"{url}/thing/x/"):
        store = Store(tmp_path / f"there{len(address)}")
        built = pull_from_bucket(store, address)
        back = built.artifact
        assert built.fresh and verify(back) == [] and back.statistics["pulled_from"] == place
        alike = dataclasses.replace(here, path=back.path, statistics=back.statistics)
        assert back == alike == store.find("thing/x", THING)
        assert not pull_from_bucket(store, address).fresh


def test_the_newest_version_is_meant(tmp_path: Path, url: str) -> None:
    first, second = thing(tmp_path, number=1), thing(tmp_path, number=2)
    for each in (second, first):
        push_to_bucket(each, url)
    assert find_in_bucket(f"{url}/thing/x").reference == second.reference
    assert [item.reference for item in artifacts_below(Remote(url))] == [first.reference, second.reference]


class DyingRemote(Remote):
    """Dies after some writes."""

    left = 0

    def put(self, file: Path, name: str) -> None:
        super().put(file, name)
        DyingRemote.left -= 1
        if DyingRemote.left == 0:
            raise Killed

    def __truediv__(self, name: str) -> Remote:
        return DyingRemote(f"{self.url}/{name}")


@pytest.mark.parametrize("writes", range(1, 8))
def test_a_killed_push_is_no_artifact_and_the_next_one_completes_it(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """The writes are three files with a note after each, and the manifest."""
    here = thing(tmp_path / "here")
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    monkeypatch.setattr(module, "_NOTE_EVERY_S", 0.0)
    DyingRemote.left = writes
    with monkeypatch.context() as patched:
        patched.setattr(module, "Remote", DyingRemote)
        with pytest.raises(Killed):
            push_to_bucket(here, url)
    whole = writes == 7
    assert [item.reference for item in artifacts_below(Remote(url))] == ([here.reference] if whole else [])
    put: list[str] = []
    original = Remote.put
    monkeypatch.setattr(Remote, "put", lambda self, file, name: (put.append(name), original(self, file, name))[1])
    push_to_bucket(here, url)
    assert ("a.bin" in put) == (writes < 2)  # its note is the second write
    assert set(Remote(f"{url}/{here.reference}").files_below()) == {*FILES, MANIFEST}
    assert verify(pull_from_bucket(Store(tmp_path / "there"), f"{url}/thing/x").artifact) == []


def test_what_was_written_over_since_is_uploaded_again(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = thing(tmp_path / "here")
    monkeypatch.setattr(module, "_NOTE_EVERY_S", 0.0)
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    DyingRemote.left = 6
    with monkeypatch.context() as patched:
        patched.setattr(module, "Remote", DyingRemote)
        with pytest.raises(Killed):
            push_to_bucket(here, url)
    Remote(f"{url}/{here.reference}").put_bytes(b"HELLO", "c.txt")
    push_to_bucket(here, url)
    assert verify(pull_from_bucket(Store(tmp_path / "there"), f"{url}/thing/x").artifact) == []


def test_another_artifact_of_the_same_version_is_refused(tmp_path: Path, url: str) -> None:
    push_to_bucket(thing(tmp_path / "here"), url)
    other = thing(tmp_path / "other", **{"c.txt": b"HELLO"})
    with pytest.raises(UserError, match="another artifact of this version is there"):
        push_to_bucket(other, url)
    with pytest.raises(UserError, match="another artifact of this version is here"):
        pull_from_bucket(Store(tmp_path / "other"), f"{url}/thing/x")


def test_a_damaged_artifact_is_not_pushed(tmp_path: Path, url: str) -> None:
    here = thing(tmp_path)
    (here.path / "c.txt").write_bytes(b"HELLO")
    with pytest.raises(LstError, match="damaged, and not pushed"):
        push_to_bucket(here, url)
    assert list(artifacts_below(Remote(url))) == []


def test_a_wrong_checksum_is_an_error_and_leaves_nothing(tmp_path: Path, url: str) -> None:
    place, _ = push_to_bucket(thing(tmp_path / "here"), url)
    Remote(place).put_bytes(b"HELLO", "c.txt")
    store = Store(tmp_path / "there")
    with pytest.raises(LstError, match=r"wrong checksum of c\.txt") as raised:
        pull_from_bucket(store, place)
    assert raised.value.exit_code == 1 and list(store.all()) == []
    Remote(place).put_bytes(b"hello", "c.txt")
    assert pull_from_bucket(store, place).fresh


def test_a_killed_pull_resumes(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, _ = push_to_bucket(thing(tmp_path / "here"), url)
    store, got = Store(tmp_path / "there"), []
    original = Remote.get

    def get(self: Remote, name: str, file: Path, size: int) -> None:
        original(self, name, file, size)
        got.append(name)
        if len(got) == 2:
            file.write_bytes(file.read_bytes()[:3])
            raise Killed

    monkeypatch.setattr(module, "_AT_ONCE", 1)
    monkeypatch.setattr(Remote, "get", get)
    with pytest.raises(Killed):
        pull_from_bucket(store, place)
    assert list(store.all()) == []
    assert verify(pull_from_bucket(store, place).artifact) == []
    assert got.count("a.bin") == 1


@pytest.mark.parametrize("text", [b"", b'{"kind": "thing"}', b"\xff"])
def test_a_damaged_manifest_is_said_and_hides_no_other(
    tmp_path: Path, url: str, text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    place, _ = push_to_bucket(thing(tmp_path, "bad"), url)
    good, _ = push_to_bucket(thing(tmp_path, "good"), url)
    Remote(place).put_bytes(text, MANIFEST)
    assert [item.url for item in artifacts_below(Remote(url))] == [good]
    assert "manifest is damaged" in capsys.readouterr().err
    with pytest.raises(UserError, match="manifest is damaged"):
        find_in_bucket(place)


def test_a_copied_folder_is_not_another_artifact(tmp_path: Path, url: str) -> None:
    place, _ = push_to_bucket(thing(tmp_path), url)
    Remote(f"{url}/thing/y/{place.rpartition('/')[2]}").put_bytes(Remote(place).read(MANIFEST), MANIFEST)
    with pytest.raises(UserError, match="no artifact"):
        find_in_bucket(f"{url}/thing/y")


def test_the_manifest_names_the_url_of_a_parent_and_no_others(tmp_path: Path, url: str) -> None:
    place, _ = push_to_bucket(thing(tmp_path), url)
    store = Store(tmp_path)
    for parent, expected in ((find_in_bucket(place), place), (store.find("thing/x", THING), None)):
        request = Request(kind=THING, name=f"child{expected is None}", config={}, parents={"of": parent})
        child = store.build(request, lambda draft: None).artifact
        data: dict[str, Any] = json.loads((child.path / MANIFEST).read_text())
        assert data["parents"]["of"].get("url") == expected
        assert store.find_any(child.reference).parents["of"].url == expected
    assert len({item.fingerprint for item in store.all() if item.parents}) == 1
