"""Shards in a bucket: the same rows as on disk, in the same order, whatever the cache holds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lst_cli.artifacts import Artifact
from lst_cli.artifacts.bucket import find_in_bucket
from lst_cli.artifacts.bucket_exchange import push_to_bucket
from lst_cli.errors import LstError, UserError
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.shards import bucket_shard
from lst_cli.shards.documents.forms import Source
from lst_cli.shards.read.reader import Reader, ReaderConfig
from lst_cli.shards.schema import SHARDS
from lst_cli.shards.shard_set import ShardSet, read_row_group
from lst_cli.storage import remote as remote_module
from lst_cli.storage.remote import Remote
from tests.storage.buckets import new_bucket, s3_server
from tests.training.world import make_world

GIB = float(1 << 30)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_world(tmp_path_factory.mktemp("store"), utterances=300).find("shards/speech", SHARDS)


@pytest.fixture(scope="module")
def url(here: Artifact) -> Iterator[str]:
    with s3_server():
        yield push_to_bucket(here, new_bucket())[0]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_module, "_WAITS_S", ())
    bucket_shard._metadata.cache_clear()
    return tmp_path / "cache" / "ranges"


def held(cache: Path) -> int:
    return sum(path.stat().st_size for path in cache.iterdir()) if cache.is_dir() else 0


def steps(shards: ShardSet, state: dict[str, Any] | None = None) -> Reader:
    source = Source("speech", shards)
    config = ReaderConfig(positions=64, global_batch_size=4, streams=4, prefetch=0)
    patcher = Patcher(PatchingConfig(strategy="static"))
    reader = Reader(config, [source], shards.info.vocabulary, patcher, total_steps=100)
    if state is not None:
        reader.load_state_dict(state)
    return reader


def tokens(reader: Reader, n: int) -> list[np.ndarray]:
    return [np.concatenate([each.tokens_T for each in data.sequences]) for data in islice(reader, n)]


@pytest.mark.parametrize("cache_bytes", [0, 3000, 20_000, 1 << 30])
def test_the_reader_gives_the_same_with_any_cache_and_resumes(
    here: Artifact, url: str, cache: Path, cache_bytes: int
) -> None:
    expected = tokens(steps(ShardSet.of(here)), 60)
    shards = ShardSet.of(find_in_bucket(url), cache_gib=cache_bytes / GIB)
    reader = steps(shards)
    found = tokens(reader, 25)
    assert held(cache) <= cache_bytes
    again = ShardSet.of(find_in_bucket(url), cache_gib=cache_bytes / 2 / GIB)
    found += tokens(steps(again, reader.state_dict()), 35)
    assert held(cache) <= cache_bytes
    assert all(map(np.array_equal, found, expected)) and len(found) == len(expected) == 60


def test_rows_are_those_on_disk(here: Artifact, url: str) -> None:
    local, far = ShardSet.of(here), ShardSet.of(find_in_bucket(url), cache_gib=1)
    assert far.info == local.info and far.identity(5) == local.identity(5) and len(far.groups) == len(local.groups)
    for a, b in zip(local.groups, far.groups, strict=True):
        assert read_row_group(a).equals(read_row_group(b))
        assert read_row_group(a, ["id"]).equals(read_row_group(b, ["id"]))
    assert str(far.groups[0]) == f"{url}/{local.groups[0].path.name}, row group 0"


def test_what_is_cached_is_not_fetched_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = ShardSet.of(find_in_bucket(url), cache_gib=1)
    first = read_row_group(shards.groups[0])
    bucket_shard._metadata.cache_clear()
    monkeypatch.setattr(Remote, "read_range", lambda *_: pytest.fail("fetched again"))
    assert read_row_group(shards.groups[0]).equals(first)


def test_a_damaged_cache_is_fetched_again(url: str, cache: Path) -> None:
    shards = ShardSet.of(find_in_bucket(url), cache_gib=1)
    first = read_row_group(shards.groups[0])
    for path in cache.iterdir():
        path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))
    bucket_shard._metadata.cache_clear()
    assert read_row_group(shards.groups[0]).equals(first)


def test_damage_in_the_bucket_is_an_error_that_names_the_row_group(
    url: str, here: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = ShardSet.of(find_in_bucket(url))
    read = Remote.read_range

    def damaged(self: Remote, name: str, start: int, stop: int) -> bytes:
        data = bytearray(read(self, name, start, stop))
        data[len(data) // 2] ^= 255
        return bytes(data)

    monkeypatch.setattr(Remote, "read_range", damaged)
    with pytest.raises(UserError, match="row group 0: damaged"):
        read_row_group(shards.groups[0])


def test_a_store_that_fails_is_not_taken_for_damage(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise ``run.skip_corrupt`` would train on nothing when the network or the credentials go."""
    artifact = find_in_bucket(url)
    shards = ShardSet.of(artifact)

    def denied(*_: object) -> bytes:
        raise UserError(f"{url}: access denied")

    monkeypatch.setattr(Remote, "read_range", denied)
    for call in (lambda: read_row_group(shards.groups[0]), lambda: ShardSet.of(artifact, skip_corrupt=True)):
        bucket_shard._metadata.cache_clear()
        with pytest.raises(LstError, match="access denied") as raised:
            call()
        assert raised.value.exit_code == 1


def test_a_footer_longer_than_the_first_read(here: Artifact, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_shard, "_TAIL_BYTES", 64)
    assert len(ShardSet.of(find_in_bucket(url)).groups) == len(ShardSet.of(here).groups)
