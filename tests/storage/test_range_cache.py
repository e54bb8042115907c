"""The cache of byte ranges: bounded, shared, and never needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.storage.range_cache import RangeCache, cache_folder
from lst_cli.storage.remote import Remote

DATA = bytes(range(256)) * 40


class CountingRemote(Remote):
    """A file in memory that counts its reads."""

    reads = 0

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        CountingRemote.reads += 1
        return DATA[start:stop]


REMOTE = CountingRemote("memory://x")


def held(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@given(
    most=st.integers(0, 5000),
    spans=st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 1200)), max_size=40),
    share=st.booleans(),
)
def test_it_gives_the_right_bytes_and_stays_below_its_bound(
    tmp_path_factory: pytest.TempPathFactory, most: int, spans: list[tuple[int, int]], share: bool
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    caches = [RangeCache(folder, most) for _ in range(1 + share)]
    for number, (start, length) in enumerate(spans):
        assert caches[number % len(caches)].read(REMOTE, "f", "c" * 64, start, start + length) == DATA[start:][:length]
        slack = 1.0 if len(caches) == 1 else 1.0 + len(caches) / 32
        assert held(folder) <= most * slack + (0 if len(caches) == 1 else 1200)


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path, 1000)
    for start in (0, 300, 600):
        cache.read(REMOTE, "f", "c", start, start + 300)
        path = next(tmp_path.rglob(f"c-{start}-*"))
        os.utime(path, ns=(start, start))
    cache.read(REMOTE, "f", "c", 0, 300)  # used again
    cache.read(REMOTE, "f", "c", 900, 1200)
    assert {path.name for path in tmp_path.rglob("c-*")} == {"c-0-300", "c-600-900", "c-900-1200"}


def test_what_is_kept_is_not_read_again(tmp_path: Path) -> None:
    before = CountingRemote.reads
    for _ in range(3):
        RangeCache(tmp_path, 1000).read(REMOTE, "f", "c", 5, 50)
    assert CountingRemote.reads == before + 1
    RangeCache(tmp_path, 1000).drop("c", 5, 50)
    RangeCache(tmp_path, 1000).read(REMOTE, "f", "c", 5, 50)
    assert CountingRemote.reads == before + 2


def test_a_file_cut_short_by_a_crash_is_read_again(tmp_path: Path) -> None:
    RangeCache(tmp_path, 1000).read(REMOTE, "f", "c", 5, 50)
    (path,) = tmp_path.rglob("c-*")
    path.write_bytes(b"x")
    assert RangeCache(tmp_path, 1000).read(REMOTE, "f", "c", 5, 50) == DATA[5:50]


def test_a_folder_that_can_not_be_written_ends_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    cache = RangeCache(tmp_path / "file", 1000)
    for start in (0, 10):
        assert cache.read(REMOTE, "f", "c", start, start + 5) == DATA[start:][:5]
    assert capsys.readouterr().err.count("can't be kept") == 1


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LST_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("LST_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "lst"
