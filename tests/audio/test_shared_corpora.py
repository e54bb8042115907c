"""Corpora that ranks make together are those of one process alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from lst_cli.audio import facts, synth
from lst_cli.audio.add import AddOptions, SourceOfCorpus
from lst_cli.audio.synth import SpokenLine, SynthOptions, plan_synthesis, share_synthesis
from lst_cli.audio.tts.engine import ENGINES
from tests.audio.sounds import save_spoken
from tests.audio.test_embedded import encoded, write
from tests.distributed.children import build_as_rank, check_ranks


def test_recordings_and_packed_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "_LEAST_FILES", 2)
    for number in range(24):
        save_spoken(tmp_path / "in" / f"{number:02d}.wav", f"text {number}", 0.2 + 0.01 * number)
    (tmp_path / "in" / "07.wav").write_bytes(b"RIFF")
    for number in range(6):
        rows = [(f"row {row}", encoded(0.2 + 0.1 * row, 16_000)) for row in range(3)]
        write(tmp_path / "packed" / f"train-{number:05d}.parquet", rows)

    def add(root: Path, source: str) -> None:
        options = AddOptions(source=tmp_path / source, name="c", max_reject_rate=0.1, workers=1)
        listed = SourceOfCorpus.read(options)
        build_as_rank(root, listed.plan, listed.share)

    files = check_ranks(tmp_path / "a", partial(add, source="in"), "corpus/c", (0, 2, 5, 9))
    assert "rejects.parquet" in files
    audio = check_ranks(tmp_path / "b", partial(add, source="packed"), "corpus/c", (0, 1, 3, 5))
    assert sum(name.endswith(".flac") for name in audio) == 6


def test_synthesised_speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "fake", "tests.audio.fake_engine")
    monkeypatch.setattr(synth, "_CHARACTERS_IN_A_PART", 60)
    lines = [SpokenLine(f"l{n}", f"this is line {n}. it is spoken", f"l{n}") for n in range(30)]
    options = SynthOptions(name="c", voices=("fake:bob", "fake:eve@1.1"), workers=1)
    plan, share = partial(plan_synthesis, lines, options), partial(share_synthesis, lines, options)
    files = check_ranks(tmp_path, lambda root: build_as_rank(root, plan, share), "corpus/c", (0, 3, 8, 15), 2)
    assert sum(name.endswith(".flac") for name in files) == 10
