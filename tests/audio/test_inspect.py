from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lst_cli.audio.inspect import inspect_audio, sha256
from tests.audio.sounds import save, tone


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_sound_file_is_sound(tmp_path: Path, suffix: str) -> None:
    facts = inspect_audio(save(tmp_path / f"a.{suffix}", tone(1.5, 22_050), 22_050))
    assert facts.problem is None
    assert (facts.samples, facts.sample_rate) == (33_075, 22_050)


def not_a_number(path: Path) -> None:
    samples = tone(0.5)
    samples[4321] = np.nan
    save(path, samples, subtype="FLOAT")


def infinite(path: Path) -> None:
    samples = np.stack([tone(0.5), tone(0.5)], axis=1)
    samples[77, 1] = np.inf
    save(path, samples, subtype="FLOAT")


def truncated(path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000)
    whole = save(path.with_name("whole" + path.suffix), noise.astype(np.float32)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


BAD = {
    "empty.wav": (lambda path: path.write_bytes(b""), "0 bytes"),
    "zero.wav": (lambda path: save(path, tone(0.0)), "zero length"),
    "text.wav": (lambda path: path.write_text("this is no sound"), "contents are text"),
    "noise.flac": (lambda path: path.write_bytes(bytes(range(256)) * 9), "not audio"),
    "nan.wav": (not_a_number, "sample 4,321 is not a finite number"),
    "inf.wav": (infinite, "sample 77 is not a finite number"),
    "gone.wav": (lambda path: None, "no such file"),
    "cut.wav": (truncated, "truncated"),
    "cut.flac": (truncated, "decoded"),
    "cut.ogg": (truncated, "truncated"),
    "cut.mp3": (truncated, "truncated"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    make, expected = BAD[name]
    make(tmp_path / name)
    problem = inspect_audio(tmp_path / name).problem
    assert problem is not None
    assert problem.startswith(str(tmp_path / name))
    assert re.search(expected, problem), problem


def test_sums_tell_contents_and_absence_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf")
    assert sha256(tmp_path / "b") == "absent"
