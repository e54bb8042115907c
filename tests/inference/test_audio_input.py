"""Inputs become segments: cut where it is quiet, nothing lost, bad files named."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lst_cli.artifacts import Store
from lst_cli.audio.decode import resample
from lst_cli.errors import UserError
from lst_cli.inference import audio_input as listen
from lst_cli.inference.audio_input import Segment, UnreadableClip, segments
from lst_cli.inference.segmentation import has_sound, loudness, quietest_cut
from lst_cli.main import app
from tests.inference.models import quantizer_artifact, tokens_artifact

RATE = 16_000


def noise(seconds: float, quiet: tuple[float, ...] = (), rate: int = RATE) -> np.ndarray:
    """Noise with 0.3 s of near silence around the given times."""
    wave = np.random.default_rng(0).normal(0, 0.1, int(seconds * rate)).astype(np.float32)
    for at in quiet:
        wave[int((at - 0.15) * rate) : int((at + 0.15) * rate)] *= 0.001
    return wave


def heard(found: list[Segment | UnreadableClip]) -> list[Segment]:
    assert all(isinstance(each, Segment) for each in found), found
    return [each for each in found if isinstance(each, Segment)]


def test_cuts_are_made_in_the_quiet() -> None:
    cut = quietest_cut(noise(12, quiet=(3.0, 7.0, 11.0)), 10)
    assert cut / RATE == pytest.approx(7.0, abs=0.06) and cut % 640 == 0
    # In a uniform recording a segment is still between half as long and as long as allowed.
    assert 5 <= quietest_cut(noise(12), 10) / RATE <= 10
    assert quietest_cut(np.zeros(RATE * 12, np.float32), 10) / RATE == pytest.approx(9.92, abs=0.05)


def test_loudness_is_per_frame() -> None:
    assert loudness(np.full(1500, 0.5, np.float32)).tolist() == [0.25, 0.25]


def test_sound_is_what_can_be_heard() -> None:
    wave = np.zeros(2 * RATE, np.float32)
    assert not has_sound(wave) and not has_sound(np.ones(1, np.float32))
    wave[RATE : RATE + 640] = 0.002
    assert has_sound(wave)


def test_a_short_file_is_one_segment(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(2.5), RATE)
    (only,) = heard(list(segments([str(path)], Store(tmp_path), 30)))
    assert (only.clip, only.start_s, only.end_s, only.last) == (str(path), 0.0, 2.5, True)


@pytest.mark.parametrize("block_s", [60, 7])
def test_long_files_are_cut_without_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_s: int) -> None:
    monkeypatch.setattr(listen, "BLOCK_S", block_s)
    wave = noise(31, quiet=(4.0, 8.5, 13.0, 17.0, 22.0, 26.0))
    path = tmp_path / "long.wav"
    soundfile.write(path, wave, RATE, subtype="FLOAT")
    found = heard(list(segments([str(path)], Store(tmp_path), 5)))
    assert np.array_equal(np.concatenate([each.wave_T for each in found if each.wave_T is not None]), wave)
    assert [each.last for each in found] == [False] * (len(found) - 1) + [True]
    assert all(each.end_s - each.start_s <= 5 for each in found)
    assert [each.start_s for each in found[1:]] == [each.end_s for each in found[:-1]]
    assert found[0].end_s == pytest.approx(4.0, abs=0.06)


def test_rates_and_channels(tmp_path: Path) -> None:
    path = tmp_path / "stereo.flac"
    soundfile.write(path, np.stack([noise(1, rate=44_100)] * 2, axis=1), 44_100)
    (only,) = heard(list(segments([str(path)], Store(tmp_path), 30)))
    assert only.wave_T is not None and only.wave_T.shape == (RATE,)


def test_blocks_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = noise(5.3, rate=44_100)
    path = tmp_path / "long.wav"
    soundfile.write(path, wave, 44_100, subtype="FLOAT")
    monkeypatch.setattr(listen, "BLOCK_S", 1)
    (only,) = heard(list(segments([str(path)], Store(tmp_path), 30)))
    assert only.wave_T is not None and np.array_equal(only.wave_T, resample(wave, 44_100))


def test_memory_is_that_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 8_000, 1) as file:
        for _ in range(60):
            file.write(noise(10, rate=8_000))
    monkeypatch.setattr(listen, "BLOCK_S", 10)
    tracemalloc.start()
    each_s = (heard([each])[0] for each in segments([str(path)], Store(tmp_path), 10))
    seconds = sum(each.end_s - each.start_s for each in each_s)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds == 600
    # Ten minutes at 16 kHz in float32 are 38 MB.
    assert peak < 12e6


def test_a_pipe_that_does_not_know_its_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, noise(2), RATE, format="WAV")
    data = bytearray(buffer.getvalue())
    # As ffmpeg writes to a pipe: lengths of the file and of the data are left open.
    data[4:8] = data[40:44] = b"\xff" * 4

    class Input:
        buffer = io.BytesIO(bytes(data))

    monkeypatch.setattr("sys.stdin", Input)
    (only,) = heard(list(segments(["-"], Store(tmp_path), 30)))
    assert only.end_s == 2.0


def test_a_corpus_whose_files_changed(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b", "c"):
        soundfile.write(folder / f"{name}.wav", noise(2), RATE)
    app(["--root", str(tmp_path), "corpus", "add", str(folder), "--name", "c", "--no-text"], standalone_mode=False)
    soundfile.write(folder / "a.wav", noise(1), RATE)
    soundfile.write(folder / "b.wav", noise(4, rate=8_000), 8_000)
    found = list(segments(["corpus/c"], Store(tmp_path), 30))
    bad = {each.clip: each.reason for each in found if isinstance(each, UnreadableClip)}
    assert "ends 1.00 s before the clip" in bad["a"] and "was changed" in bad["b"]
    (good,) = [each for each in found if isinstance(each, Segment) and each.last]
    assert (good.clip, good.end_s) == ("c", 2.0)


def test_folders_and_bad_files(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    soundfile.write(folder / "deep" / "good.wav", noise(1), RATE)
    soundfile.write(folder / "empty.wav", np.zeros(0, np.float32), RATE)
    nan = noise(1)
    nan[7] = np.nan
    soundfile.write(folder / "nan.wav", nan, RATE, subtype="FLOAT")
    (folder / "text.wav").write_text("no audio")
    (folder / "notes.txt").write_text("no audio either")
    (folder / "other.m4a").write_bytes(b"\x00" * 64)
    found = list(segments([str(folder)], Store(tmp_path), 30))
    good = [each.clip for each in found if isinstance(each, Segment)]
    bad = {Path(each.clip).name: each.reason for each in found if isinstance(each, UnreadableClip)}
    assert [Path(clip).name for clip in good] == ["good.wav"]
    assert set(bad) == {"empty.wav", "nan.wav", "text.wav", "other.m4a"}
    assert "no samples" in bad["empty.wav"] and "finite" in bad["nan.wav"] and "audio" in bad["text.wav"]


def test_one_sample_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    soundfile.write(path, noise(1)[:1], RATE)
    (only,) = heard(list(segments([str(path)], Store(tmp_path), 30)))
    assert only.wave_T is not None and len(only.wave_T) == 1


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, noise(1), RATE, format="WAV")

    class Input:
        buffer = io.BytesIO(b"")

    Input.buffer = io.BytesIO(buffer.getvalue())
    monkeypatch.setattr("sys.stdin", Input)
    (only,) = heard(list(segments(["-"], Store(tmp_path), 30)))
    assert only.clip == "-" and only.end_s == 1.0
    Input.buffer = io.BytesIO(b"nothing")
    (bad,) = list(segments(["-"], Store(tmp_path), 30))
    assert isinstance(bad, UnreadableClip)


def test_tokens_are_taken_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    tokens_artifact(store, "t", {"a": [1, 2, 3], "b": list(range(12)) * 9}, quantizer_artifact(store))
    found = heard(list(segments(["tokens/t"], store, 1)))
    assert [each.clip for each in found] == ["a", "b"] and found[1].end_s == 108 / 25
    assert found[0].units is not None and found[0].units.tolist() == [1, 2, 3]


def test_unknown_inputs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for argument, message in [("gone.wav", "no such file"), (str(tmp_path / "none"), "no audio in this folder")]:
        with pytest.raises(UserError, match=message):
            list(segments([argument], Store(tmp_path), 30))
    with pytest.raises(UserError, match="no such artifact"):
        list(segments(["tokens/gone"], Store(tmp_path), 30))
