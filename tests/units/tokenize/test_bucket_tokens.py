"""Tokens of a corpus in a bucket are those of the same files on a disk, to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.audio.add import AddOptions
from lst_cli.errors import LstError, UserError
from lst_cli.hashing import uniform
from lst_cli.storage import range_file
from lst_cli.storage.bucket_path import path_or_url
from lst_cli.storage.remote import Remote
from lst_cli.units.features.mfcc_config import MFCC
from lst_cli.units.quantizer.fit_quantizer import QuantizerFitOptions, plan_quantizer
from lst_cli.units.tokenize.tokenize_stage import TokenizeOptions, plan_tokens, share_tokens
from lst_cli.units.tokens import Tokens
from tests.audio.adding import plan_corpus
from tests.distributed.children import build_as_rank, kill_ranks, run_ranks
from tests.storage.buckets import new_bucket, remove, s3_server, upload
from tests.units.speech import sound

SECONDS = [0.5 + 2 * float(u) for u in uniform(1, np.arange(12))]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder of recordings, and its copy in a bucket."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, seconds in enumerate(SECONDS):
        path = folder / f"s{number % 3}" / f"{number:02d}.{('wav', 'flac', 'mp3')[number % 3]}"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, sound(seconds, number, 22_050), 22_050)
    with s3_server():
        yield folder, upload(folder, f"{new_bucket()}/speech")


def add(store: Store, source: object) -> Artifact:
    options = AddOptions(source=path_or_url(str(source)), name="c", with_text=False)
    return store.build(*plan_corpus(options)).artifact


def fit(store: Store, corpus: Artifact) -> Artifact:
    options = QuantizerFitOptions(name="q", corpus=corpus, features=MFCC, clusters=20, frames=500, iterations=3)
    return store.build(*plan_quantizer(options)).artifact


def sums(artifact: Artifact) -> dict[str, str]:
    return {file.path: file.sha256 for file in artifact.files}


def tokenize(root: Path, corpus: Artifact, quantizer: Artifact, **changes: float) -> None:
    settings: dict[str, float] = {"unit_samples": 3 * 16_000, "workers": 2, **changes}
    options = TokenizeOptions(name="t", corpus=corpus, quantizer=quantizer, device="cpu", **settings)  # type: ignore[arg-type]
    build_as_rank(root, partial(plan_tokens, options), partial(share_tokens, options))


def tokens(root: Path) -> Artifact:
    return Store(root).find_any("tokens/t")


def test_to_the_byte_on_one_and_two_ranks_and_after_kills(
    world: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = world
    monkeypatch.setenv("LST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(range_file, "_WHOLE_BYTES", 50_000)
    monkeypatch.setattr(range_file, "_BLOCK_BYTES", 50_000)
    near, far = Store(tmp_path / "near"), Store(tmp_path / "far")
    here, there = add(near, folder), add(far, url)
    quantizer = fit(near, here)
    assert sums(fit(far, there)) == sums(quantizer)
    tokenize(near.root, here, quantizer)
    expected = sums(tokens(near.root))
    tokenize(tmp_path / "one", there, quantizer)
    assert sums(tokens(tmp_path / "one")) == expected
    monkeypatch.setenv("LST_CACHE_GIB", "0")
    run_ranks(2, lambda: tokenize(tmp_path / "two", there, quantizer))
    assert sums(tokens(tmp_path / "two")) == expected
    killed = tmp_path / "killed"
    assert kill_ranks(killed, lambda: tokenize(killed, there, quantizer), (1, 3)) >= 1
    tokenize(killed, there, quantizer)
    assert sums(tokens(killed)) == expected


def test_a_changed_and_a_missing_object_are_rejects_and_a_refusal_is_an_error(
    world: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = world
    url = upload(folder, f"{new_bucket()}/speech")
    monkeypatch.setenv("LST_CACHE", str(tmp_path / "first"))
    store = Store(tmp_path / "root")
    corpus = add(store, url)
    quantizer = fit(store, corpus)
    monkeypatch.setenv("LST_CACHE", str(tmp_path / "second"))  # another machine
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "facts", _refused)
        with pytest.raises(LstError, match="access denied") as raised:
            tokenize(store.root, corpus, quantizer, max_reject_rate=1.0)
        assert raised.value.exit_code == 1
    remove(f"{url}/s0/00.wav")
    (tmp_path / "changed" / "s0").mkdir(parents=True)
    (tmp_path / "changed" / "s0" / "03.wav").write_bytes((folder / "s0" / "06.wav").read_bytes())
    upload(tmp_path / "changed", url)
    tokenize(store.root, corpus, quantizer, max_reject_rate=0.2)
    made = tokens(store.root)
    assert len(list(Tokens(made))) == len(SECONDS) - 2
    missing, changed = read_parquet(made.file("rejects.parquet")).to_pylist()
    assert (missing["id"], changed["id"]) == ("s0/00", "s0/03")
    assert "s0/00.wav: no such object" in missing["reason"]
    size = (folder / "s0" / "06.wav").stat().st_size
    assert f"found: {size:,} bytes" in changed["reason"] and "expected: " in changed["reason"]


def _refused(self: Remote, name: str) -> None:
    raise UserError("access denied", fix="give credentials")
