"""Corpora in a bucket: the rows, audio and rejects of the same files on a disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lst_cli.artifacts import Artifact, Store
from lst_cli.audio.add import AddOptions, plan_corpus
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.audio.decode import read_utterance
from lst_cli.audio.show import read_rejects
from lst_cli.errors import LstError, UserError
from lst_cli.storage.bucket_path import path_or_url
from tests.audio.sounds import save, save_spoken, tone
from tests.storage.buckets import remove, upload


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
