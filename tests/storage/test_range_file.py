"""A file in a bucket, open: the bytes of any seeks and reads, in blocks of any size."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lst_cli.storage import range_file
from lst_cli.storage.range_file import ChangedObject, RangeFile
from lst_cli.storage.remote import NoSuchObject, Remote

DATA = bytes(range(256)) * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "a").write_bytes(DATA)
    (folder / "empty").touch()
    return folder


def opened(folder: Path, name: str = "a") -> RangeFile:
    remote = Remote.of(folder.as_uri())
    return RangeFile(remote, name, remote.facts(name))


MOVES = st.tuples(st.sampled_from([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END]), st.integers(-6000, 6000))


@settings(max_examples=40)
@given(block=st.integers(400, 6000), steps=st.lists(st.tuples(MOVES, st.integers(0, 3000)), max_size=12))
def test_it_reads_like_a_file_on_a_disk(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, block: int, steps: list[tuple[tuple[int, int], int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LST_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(range_file, "_WHOLE_BYTES", 0)
        patch.setattr(range_file, "_BLOCK_BYTES", block)
        far, near = opened(folder), io.BytesIO(DATA)
        for (whence, offset), count in steps:
            base = {os.SEEK_SET: 0, os.SEEK_CUR: near.tell(), os.SEEK_END: len(DATA)}[whence]
            assert far.seek(offset, whence) == near.seek(max(0, base + offset))
            assert far.read(count) == near.read(count) and far.tell() == near.tell()
        far.seek(100)
        assert far.read() == DATA[100:]


def test_an_empty_file(folder: Path) -> None:
    assert opened(folder, "empty").read() == b""


def test_only_the_version_that_was_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a").write_bytes(b"first")
    file = opened(tmp_path)
    (tmp_path / "a").write_bytes(b"second")
    with pytest.raises(ChangedObject) as raised:
        file.read()
    assert str(raised.value.found).startswith("6 bytes") and str(raised.value.expected).startswith("5 bytes")
    (tmp_path / "a").unlink()
    with pytest.raises(NoSuchObject):
        file.read()
    assert not (tmp_path / "cache").exists()
