"""Audio whose container states a wrong length, or none: nothing may be lost, and no truncated data kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lst_cli.audio.decode import read_samples, resample
from lst_cli.audio.inspect import examine, inspect_audio
from tests.known_issues.encodings import CLIP, LOSSLESS, LOSSY, RATE, SAMPLES, clip, ffmpeg, wav

RATES = {"opus.webm": 48_000}


def write(folder: Path, name: str) -> Path:
    make = LOSSLESS[name] if name in LOSSLESS else LOSSY[name][0]
    (folder / name).write_bytes(make())
    return folder / name


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_encoding_gives_the_samples_of_the_clip(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)
    facts = inspect_audio(path)
    assert facts.problem is None
    assert (facts.samples, facts.sample_rate) == (SAMPLES, RATE)
    np.testing.assert_array_equal(read_samples(path)[0], read_samples(CLIP)[0])
    assert examine(path.read_bytes()) == facts


@pytest.mark.parametrize("name", LOSSY)
def test_a_lossy_encoding_keeps_the_whole_clip_to_within_a_frame(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)
    facts = inspect_audio(path)
    assert facts.problem is None
    rate = RATES.get(name, RATE)
    assert facts.sample_rate == rate
    assert abs(facts.samples * RATE / rate - SAMPLES) <= LOSSY[name][1]
    heard = read_samples(path)[0]
    assert len(heard) == facts.samples
    late = 1024 if name == "aac-fragmented.mp4" else 0  # nothing in the file states the encoder's delay
    heard = resample(heard, rate)[late:SAMPLES]
    expected = (clip() / 32768)[: len(heard)]
    assert np.corrcoef(heard, expected)[0, 1] > 0.9  # in step with the clip, from its start to its end
    assert np.corrcoef(heard[-RATE:], expected[-RATE:])[0, 1] > 0.9
    assert examine(path.read_bytes()) == facts


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_a_segment_is_sought_exactly(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)
    whole, _ = read_samples(path)
    for offset, samples in ((0, 1), (12_345, 6789), (51_111, 20_000), (90_001, 3_000), (len(whole) - 1000, 1000)):
        part, _ = read_samples(path, offset, samples)
        np.testing.assert_allclose(part, whole[offset : offset + samples], atol=1e-5)


LONG = {
    "long.mp3": lambda samples: ffmpeg("libmp3lame", "mp3", {"b": "64000"}, {"write_xing": "0"}, samples=samples),
    "long.m4a": lambda samples: ffmpeg("aac", "ipod", {"aac_pns": "0"}, samples=samples),  # no noise of the decoder's
    "long.opus": lambda samples: ffmpeg("libopus", "ogg", samples=samples),
    "long.ogg": lambda samples: wav("VORBIS", "OGG", samples),
    "long.flac": lambda samples: wav(form="FLAC", samples=samples),
}


@pytest.mark.parametrize("name", LONG)
def test_a_segment_late_in_a_long_recording_is_sought_exactly(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(LONG[name](np.tile(clip(), 10)))
    whole, _ = read_samples(tmp_path / name)
    last = len(whole)
    for offset in (31 * RATE, 555_555, 40 * RATE + 1, last - 40_000, last - 12_345, last - 777):
        part, _ = read_samples(tmp_path / name, offset, min(20_000, last - offset))
        np.testing.assert_allclose(part, whole[offset : offset + len(part)], atol=1e-5)


def test_half_a_webm_was_accepted() -> None:
    data = LOSSY["opus.webm"][0]()
    assert "truncated" in str(examine(data[: len(data) // 2]).problem)
