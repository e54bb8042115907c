"""Files behind URLs: on an S3 server and on a disk."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lst_cli.errors import LstError, UserError
from lst_cli.storage import remote as module
from lst_cli.storage.remote import NoSuchObject, Remote, is_url


@pytest.fixture(params=["s3", "file"])
def folder(request: pytest.FixtureRequest, bucket: str, tmp_path: Path) -> Remote:
    return Remote.of(f"{bucket}/data" if request.param == "s3" else f"{tmp_path.as_uri()}/data")


def test_what_is_a_url() -> None:
    assert all(map(is_url, ("s3://b", "gs://b/x", "file:///x", "hf://datasets/me/x")))
    assert not any(map(is_url, ("shards/x", "/a/b", "./a", "s3:/b", "C:\\x", "TASK:FILE")))


def test_files_come_back(folder: Remote, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(bytes(range(256)) * 100)
    folder.put(file, "deep/er/a")
    folder.put_bytes(b"small", "b")
    assert {name: facts.bytes for name, facts in folder.files_below().items()} == {"b": 5, "deep/er/a": 25600}
    assert folder.files_below()["b"] == folder.facts("b") == folder.entries()["b"]
    assert (folder / "b").entries() == {} and (folder / "none").entries() == {}
    assert folder.entries().keys() == {"b", "deep"} and folder.entries()["deep"] is None
    assert folder.read_all(["deep/er/a", "b"]) == [file.read_bytes(), b"small"] and folder.read_all([]) == []
    assert folder.read("deep/er/a") == file.read_bytes()
    assert folder.read_range("deep/er/a", 250, 260) == file.read_bytes()[250:260]
    assert folder.exists("b") and not folder.exists("deep") and not folder.exists("c")
    assert folder.folders() == ["deep"] and (folder / "none").folders() == []
    folder.get("b", tmp_path / "copy", 5)
    assert (tmp_path / "copy").read_bytes() == b"small"
    folder.remove("b")
    assert not folder.exists("b")


def test_a_stamp_changes_with_the_file(folder: Remote) -> None:
    folder.put_bytes(b"one", "a")
    first = folder.facts("a")
    assert folder.facts("a") == first
    folder.put_bytes(b"two", "a")
    assert folder.facts("a") != first


def test_what_is_not_there(folder: Remote, bucket: str) -> None:
    with pytest.raises(UserError, match=r"data/none: no such object"):
        folder.read("none")
    folder.put_bytes(b"x", "there")
    with pytest.raises(NoSuchObject, match=r"data/none: no such object"):
        folder.read_all(["there", "none"])
    with pytest.raises(NoSuchObject, match=r"data/none: no such object"):
        folder.facts("none")
    with pytest.raises(UserError, match="no such object"):
        Remote.of(f"{bucket}-none/x").read("y")
    with pytest.raises(UserError):
        Remote.of(f"{bucket}-none").folders()


class Flaky:
    """A file system whose first reads go wrong."""

    def __init__(self, fs: Any, failures: int, read: Callable[[bytes], bytes]) -> None:
        self.fs, self.failures, self.read = fs, failures, read

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fs, name)

    def cat_file(self, path: str, **span: int) -> bytes:
        self.failures -= 1
        data: bytes = self.fs.cat_file(path, **span)
        return self.read(data) if self.failures >= 0 else data


def flaky(monkeypatch: pytest.MonkeyPatch, folder: Remote, failures: int, read: Callable[[bytes], bytes]) -> None:
    fs, path = folder._opened()
    broken = Flaky(fs, failures, read)
    monkeypatch.setattr(Remote, "_opened", lambda self: (broken, path))
    monkeypatch.setattr(module, "_WAITS_S", (0.0, 0.0, 0.0))


@pytest.mark.parametrize(("failures", "is_read"), [(3, True), (4, False)])
def test_a_truncated_transfer_is_tried_again(
    bucket: str, monkeypatch: pytest.MonkeyPatch, failures: int, is_read: bool
) -> None:
    folder = Remote.of(bucket)
    folder.put_bytes(b"0123456789", "a")
    flaky(monkeypatch, folder, failures, lambda data: data[:3])
    if is_read:
        assert folder.read_range("a", 2, 7) == b"23456"
    else:
        with pytest.raises(LstError, match="3 of 5 bytes came"):
            folder.read_range("a", 2, 7)


def test_a_server_that_is_down_is_not_the_users_fault(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(data: bytes) -> bytes:
        raise ConnectionResetError("the server is gone")

    folder = Remote.of(bucket)
    folder.put_bytes(b"x", "a")
    flaky(monkeypatch, folder, 4, down)
    with pytest.raises(LstError, match="the server is gone") as raised:
        folder.read("a")
    assert raised.value.exit_code == 1 and "run the same command again" in str(raised.value)


def test_a_short_download_is_an_error(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITS_S", (0.0,))
    folder = Remote.of(bucket)
    folder.put_bytes(b"01234", "a")
    with pytest.raises(LstError, match="5 of 6 bytes came"):
        folder.get("a", tmp_path / "a", 6)


def test_a_full_disk_is_not_the_stores_fault(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Remote.of(bucket)
    flaky(monkeypatch, folder, 0, bytes)

    def full(*_: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder._opened()[0], "get_file", full, raising=False)
    with pytest.raises(OSError, match="No space left"):
        folder.get("a", tmp_path / "a", 5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("error", "kind"), [(PermissionError("no"), UserError), (TimeoutError("late"), LstError)])
def test_a_store_that_does_not_answer_has_not_said_no(
    bucket: str, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[LstError]
) -> None:
    """A push that took this for a no would overwrite another manifest."""
    folder = Remote.of(bucket)
    flaky(monkeypatch, folder, 0, bytes)

    def info(path: str) -> None:
        raise error

    monkeypatch.setattr(folder._opened()[0], "info", info, raising=False)
    with pytest.raises(kind) as raised:
        folder.exists("a")
    assert type(raised.value) is kind


def test_urls_that_can_not_be_opened() -> None:
    with pytest.raises(UserError, match="can't be opened"):
        Remote.of("nosuchstore://x")
    with pytest.raises(UserError, match=r"s3://\*\*\*@bucket: a URL with a password"):
        Remote.of("s3://me:secret@bucket")


def test_a_missing_backend_names_its_package() -> None:
    code = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from lst_cli.storage.remote import Remote\n"
        "try: Remote.of('s3://b')\n"
        "except Exception as error: print(error, error.exit_code)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'lst-cli[s3]'" in said and said.strip().endswith("2")
