"""Audio in a bucket is decoded as on a disk, by ranges, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lst_cli.audio.decode import read_samples
from lst_cli.audio.inspect import AudioFacts, inspect_audio
from lst_cli.errors import LstError, UserError
from lst_cli.storage import range_file, remote
from lst_cli.storage.bucket_path import BucketPath
from lst_cli.storage.remote import Remote
from tests.audio.sounds import save, tone
from tests.known_issues.encodings import LOSSLESS, LOSSY
from tests.storage.buckets import remove, upload

ENCODINGS = {**LOSSLESS, **{name: make for name, (make, _) in LOSSY.items()}}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_file, "_WHOLE_BYTES", 1000)
    monkeypatch.setattr(range_file, "_BLOCK_BYTES", 7777)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of every range that was fetched."""
    sizes: list[int] = []
    read_range = Remote.read_range

    def counted(self: Remote, name: str, start: int, stop: int) -> bytes:
        sizes.append(stop - start)
        return read_range(self, name, start, stop)

    monkeypatch.setattr(Remote, "read_range", counted)
    return sizes


def listed(url: str) -> BucketPath:
    """As a corpus records it."""
    return BucketPath(url, BucketPath(url).resolve().facts())


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ENCODINGS)
def test_every_container(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(ENCODINGS[name]())
    far = listed(path.as_uri())
    assert inspect_audio(far) == inspect_audio(path)
    for offset, samples in ((0, None), (12_345, 6_789), (90_001, 3_000)):
        there, rate = read_samples(far, offset, samples)
        here, own_rate = read_samples(path, offset, samples)
        assert rate == own_rate and np.array_equal(there, here)


@pytest.mark.parametrize("name", ["long.wav", "long.flac"])
def test_a_segment_of_a_long_file_does_not_fetch_it_whole(
    tmp_path: Path, bucket: str, name: str, fetched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_file, "_WHOLE_BYTES", 1 << 16)
    monkeypatch.setattr(range_file, "_BLOCK_BYTES", 1 << 16)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000 * 240).astype(np.float32)
    path = save(tmp_path / "in" / name, noise)
    far = listed(f"{upload(tmp_path / 'in', bucket)}/{name}")
    for offset in (3_200_017, 1_000_000, 3_200_100):
        assert np.array_equal(read_samples(far, offset, 16_000)[0], read_samples(path, offset, 16_000)[0])
    assert sum(fetched) < path.stat().st_size / 4
    before = len(fetched)
    read_samples(far, 3_200_017, 16_000)
    assert len(fetched) == before


def test_without_a_cache_it_works_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("LST_CACHE_GIB", "0")
    path = save(tmp_path / "a.wav", tone(1.0))
    for _ in range(2):
        assert np.array_equal(read_samples(listed(path.as_uri()))[0], read_samples(path)[0])
    assert not cache.exists()


def test_a_changed_object_is_an_error_with_both_values(tmp_path: Path, bucket: str) -> None:
    save(tmp_path / "in" / "a.wav", tone(1.0))
    far = listed(f"{upload(tmp_path / 'in', bucket)}/a.wav")
    save(tmp_path / "in" / "a.wav", tone(1.0, hertz=300.0))
    changed = listed(f"{upload(tmp_path / 'in', bucket)}/a.wav")
    with pytest.raises(UserError, match="the object was changed") as raised:
        read_samples(far)
    assert far.recorded is not None and changed.recorded is not None
    assert far.recorded.stamp in str(raised.value.expected) and changed.recorded.stamp in str(raised.value.found)
    assert "32,044 bytes" in str(raised.value.found)
    problem = inspect_audio(far).problem
    assert problem is not None and far.recorded.stamp in problem and changed.recorded.stamp in problem
    assert problem.count("a.wav") == 1


def test_what_was_cached_is_the_version_that_was_listed(tmp_path: Path, bucket: str) -> None:
    path = save(tmp_path / "in" / "a.wav", tone(1.0))
    far = listed(f"{upload(tmp_path / 'in', bucket)}/a.wav")
    expected = read_samples(far)[0]
    save(path, tone(1.0, hertz=300.0))
    upload(tmp_path / "in", bucket)
    assert np.array_equal(read_samples(far)[0], expected)
    assert not np.array_equal(read_samples(listed(far.url))[0], expected)


def test_a_missing_object_is_the_users_error(tmp_path: Path, bucket: str) -> None:
    save(tmp_path / "in" / "a.wav", tone(1.0))
    far = listed(f"{upload(tmp_path / 'in', bucket)}/a.wav")
    remove(far.url)
    with pytest.raises(UserError, match=r"a\.wav: no such object"):
        read_samples(far)
    assert "no such object" in str(inspect_audio(far).problem)
    with pytest.raises(UserError, match="the audio file is gone"):
        read_samples(BucketPath(far.url))


class Refusing:
    """A file system that gives listings, but no contents."""

    def __init__(self, fs: object, error: Exception) -> None:
        self._fs, self._error = fs, error

    def __getattr__(self, name: str) -> object:
        return getattr(self._fs, name)

    def cat_file(self, path: str, **span: int) -> bytes:
        raise self._error


@pytest.mark.parametrize("error", [PermissionError("AccessDenied"), ConnectionResetError("the server is gone")])
@pytest.mark.parametrize("name", ["wav-16.wav", "mp3-cbr.mp3", "aac.m4a", "flac-unknown-length.flac"])
def test_a_store_that_fails_is_not_a_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote, "_WAITS_S", ())
    (tmp_path / name).write_bytes(ENCODINGS[name]())
    far = listed((tmp_path / name).as_uri())
    opened = Remote._opened
    monkeypatch.setattr(Remote, "_opened", lambda self: (Refusing(opened(self)[0], error), opened(self)[1]))
    for read in (read_samples, inspect_audio):
        with pytest.raises(LstError, match=r"access denied|can't be reached") as raised:
            read(far)
        assert type(raised.value) is LstError and raised.value.exit_code == 1 and raised.value.fix
    assert "Traceback" not in capfd.readouterr().err


def test_a_store_that_fails_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """libsndfile takes a failed read for the end of the file."""
    monkeypatch.setattr(remote, "_WAITS_S", ())
    monkeypatch.setattr(range_file, "_WHOLE_BYTES", 1000)
    monkeypatch.setattr(range_file, "_BLOCK_BYTES", 8192)
    path = save(tmp_path / "a.wav", tone(4.0))
    far, read_range = listed(path.as_uri()), Remote.read_range

    def breaks(self: Remote, name: str, start: int, stop: int) -> bytes:
        if start > 60_000:
            raise LstError("the store failed")
        return read_range(self, name, start, stop)

    monkeypatch.setattr(Remote, "read_range", breaks)
    with pytest.raises(LstError, match="the store failed"):
        read_samples(far)
    with pytest.raises(LstError, match="the store failed"):
        inspect_audio(far)
    assert isinstance(inspect_audio(path), AudioFacts) and "Traceback" not in capfd.readouterr().err
