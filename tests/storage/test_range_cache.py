"""The cache of byte ranges: bounded, shared, and never needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.errors import UserError
from lst_cli.storage.range_cache import RangeCache, cache_bytes, cache_folder

DATA = bytes(range(256)) * 40


class Fetch:
    """Counts what is fetched."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, start: int, stop: int) -> bytes:
        self.count += 1
        return DATA[start:stop]


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
        assert caches[number % len(caches)].read("c" * 64, start, start + length, Fetch()) == DATA[start:][:length]
        slack = 1.0 if len(caches) == 1 else 1.0 + len(caches) / 32
        assert held(folder) <= most * slack + (0 if len(caches) == 1 else 1200)


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path, 1000)
    for start in (0, 300, 600):
        cache.read("c", start, start + 300, Fetch())
        path = next(tmp_path.rglob(f"c-{start}-*"))
        os.utime(path, ns=(start, start))
    cache.read("c", 0, 300, Fetch())  # used again
    cache.read("c", 900, 1200, Fetch())
    assert {path.name for path in tmp_path.rglob("c-*")} == {"c-0-300", "c-600-900", "c-900-1200"}


def test_what_is_kept_is_not_read_again(tmp_path: Path) -> None:
    fetch = Fetch()
    for _ in range(3):
        RangeCache(tmp_path, 1000).read("c", 5, 50, fetch)
    assert fetch.count == 1
    RangeCache(tmp_path, 1000).drop("c", 5, 50)
    RangeCache(tmp_path, 1000).read("c", 5, 50, fetch)
    assert fetch.count == 2


@pytest.mark.parametrize("damage", [lambda data: data[:1], lambda data: bytes(len(data)), lambda data: b"?" + data[1:]])
def test_a_range_that_a_crash_or_the_disk_damaged_is_fetched_again(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    RangeCache(tmp_path, 1000).read("c", 5, 50, Fetch())
    (path,) = tmp_path.rglob("c-*")
    path.write_bytes(damage(path.read_bytes()))
    fetch = Fetch()
    for _ in range(2):
        assert RangeCache(tmp_path, 1000).read("c", 5, 50, fetch) == DATA[5:50]
    assert fetch.count == 1


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cache, fetch = RangeCache(tmp_path, 3000), Fetch()

    def read(number: int) -> bytes:
        return cache.read("c", number % 7 * 500, number % 7 * 500 + 500, fetch)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(400))) == [DATA[n % 7 * 500 :][:500] for n in range(400)]
    assert held(tmp_path) <= 3000 and not list(tmp_path.rglob("*.tmp"))


def test_the_bound_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LST_CACHE_GIB", "0.5")
    assert cache_bytes() == 1 << 29
    monkeypatch.delenv("LST_CACHE_GIB")
    assert cache_bytes() == 50 << 30
    for bad in ("much", "-1", "nan"):
        monkeypatch.setenv("LST_CACHE_GIB", bad)
        with pytest.raises(UserError, match=f"LST_CACHE_GIB={bad}"):
            cache_bytes()


def test_a_folder_that_can_not_be_written_ends_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    cache = RangeCache(tmp_path / "file", 1000)
    for start in (0, 10):
        assert cache.read("c", start, start + 5, Fetch()) == DATA[start:][:5]
    assert capsys.readouterr().err.count("can't be kept") == 1


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LST_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("LST_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "lst"
