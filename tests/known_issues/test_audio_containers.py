"""Containers whose parts were lost in silence, or that were refused although whole."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from lst_cli.audio.decode import read_samples
from lst_cli.audio.inspect import examine, inspect_audio
from tests.known_issues.encodings import RATE, SAMPLES, clip, ffmpeg, mp3, wav


def film(form: str, *, pictures: int, tracks: int = 1) -> bytes:
    """Pictures at 25 Hz with the clip as its sound; further tracks are silent."""
    import io

    stream = io.BytesIO()
    with av.open(stream, "w", format=form) as file:
        video = file.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        sounds = [file.add_stream("aac", rate=RATE, layout="mono") for _ in range(tracks)]
        for number in range(pictures):
            picture = av.VideoFrame(64, 64, "yuv420p")
            picture.pts = number
            file.mux(video.encode(picture))
        file.mux(video.encode(None))
        for number, sound in enumerate(sounds):
            frame = av.AudioFrame.from_ndarray(clip()[None] * (number == 0), format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            file.mux(sound.encode(frame))
            file.mux(sound.encode(None))
    return stream.getvalue()


def with_rate(rate: int) -> bytes:
    data = wav()
    return data[:24] + struct.pack("<I", rate) + data[28:]


LOST: dict[str, tuple[Callable[[], bytes], str]] = {
    "joined.wav": (lambda: wav() * 2, "227,200 bytes of audio, but 227,244 more"),
    "joined.flac": (lambda: wav(form="FLAC") * 2, "another FLAC stream begins at byte"),
    "audio-after-silence.wav": (lambda: wav() + bytes(1 << 17) + wav()[44:], "bytes of audio, but"),
    "half.oga": (lambda: (data := ffmpeg("flac", "ogg"))[: len(data) // 2], "truncated"),
    "half.mkv": (lambda: (data := film("matroska", pictures=250))[: len(data) // 2], "truncated"),
}


@pytest.mark.parametrize("name", LOST)
def test_audio_behind_the_stated_end_was_lost(name: str) -> None:
    make, expected = LOST[name]
    assert expected in str(examine(make()).problem)


WHOLE: dict[str, tuple[Callable[[], bytes], int]] = {
    "flac.oga": (lambda: ffmpeg("flac", "ogg"), 0),
    "gsm.wav": (lambda: wav("GSM610"), 320),
    "g721.wav": (lambda: wav("G721_32"), 120),
    "short-sound.mkv": (lambda: film("matroska", pictures=250), 1024),
    "short-sound.mp4": (lambda: film("mp4", pictures=250), 0),
    "zeros-behind.wav": (lambda: wav() + bytes(1 << 17), 0),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_recording_was_refused(tmp_path: Path, name: str) -> None:
    make, frame = WHOLE[name]
    (tmp_path / name).write_bytes(make())
    facts = inspect_audio(tmp_path / name)
    assert facts.problem is None
    assert abs(facts.samples - SAMPLES) <= frame
    whole, _ = read_samples(tmp_path / name)
    part, _ = read_samples(tmp_path / name, 70_001, 9_000)
    np.testing.assert_array_equal(part, whole[70_001:79_001])


def test_the_second_of_two_audio_tracks_was_skipped_without_a_word() -> None:
    assert "2 audio tracks" in str(examine(film("mp4", pictures=50, tracks=2)).notes)


@pytest.mark.parametrize("rate", [0, 1, 999, 4_000_000_000])
def test_a_damaged_rate_made_gigabytes_of_a_few_seconds(rate: int) -> None:
    assert f"{rate} Hz" in str(examine(with_rate(rate)).problem)


def test_a_tag_longer_than_its_file_was_called_a_pipe() -> None:
    assert "an ID3 tag of 268,435,465 bytes" in str(examine(b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + mp3()).problem)
