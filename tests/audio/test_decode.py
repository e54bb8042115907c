from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.audio.corpus_artifact import Utterance
from lst_cli.audio.decode import read_samples, read_utterance, read_utterances, resample, resampled_length
from lst_cli.audio.sample_rates import SAMPLE_RATE
from lst_cli.errors import UserError
from tests.audio.sounds import save, tone


def utterance(path: Path, offset: int = 0, samples: int = 8000, rate: int = 16_000) -> Utterance:
    return Utterance(path.stem, path, offset, samples, rate, None, "test", None)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100])
def test_every_format_and_rate_keeps_the_tone_and_the_length(tmp_path: Path, suffix: str, rate: int) -> None:
    path = save(tmp_path / f"a.{suffix}", tone(1.0, rate), rate)
    heard = read_utterance(utterance(path, 0, rate, rate))
    assert heard.dtype == np.float32
    assert len(heard) == SAMPLE_RATE
    middle = heard[2000:-2000] * np.hanning(SAMPLE_RATE - 4000)
    peak_hz = np.argmax(np.abs(np.fft.rfft(middle))) * SAMPLE_RATE / len(middle)
    assert peak_hz == pytest.approx(440, abs=2)
    assert np.abs(heard).max() == pytest.approx(0.5, abs=0.05)


def test_opus_is_read(tmp_path: Path) -> None:
    import soundfile

    path = tmp_path / "a.opus"
    soundfile.write(path, tone(1.0, 48_000), 48_000, format="OGG", subtype="OPUS")
    assert len(read_utterance(utterance(path, 0, 48_000, 48_000))) == SAMPLE_RATE


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = tone(0.5), np.zeros(8000, np.float32)
    path = save(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    np.testing.assert_array_equal(read_utterance(utterance(path)), left / 2)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_segment_is_that_part_of_the_whole(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    path = save(tmp_path / f"a.{suffix}", (0.1 * rng.standard_normal(40_000)).astype(np.float32))
    whole, _ = read_samples(path)
    part, _ = read_samples(path, 12_345, 6789)
    np.testing.assert_allclose(part, whole[12_345 : 12_345 + 6789], atol=1e-6)


@given(st.integers(1, 200_000), st.sampled_from([8000, 11_025, 16_000, 22_050, 24_250, 44_100, 48_000]))
def test_the_resampled_length_is_the_stated_one(samples: int, rate: int) -> None:
    assert abs(resampled_length(samples, rate) - samples * SAMPLE_RATE / rate) <= 0.5 or samples * SAMPLE_RATE < rate
    if samples < 5000:
        assert len(resample(np.zeros(samples, np.float32), rate)) == resampled_length(samples, rate)


def test_resampling_is_not_delayed() -> None:
    click = np.zeros(22_050, np.float32)
    click[11_025] = 1.0
    assert np.argmax(np.abs(resample(click, 22_050))) == 8000


def test_a_vanished_file_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.wav.*gone(.|\n)*lst corpus add"):
        read_utterance(utterance(tmp_path / "gone.wav"))


def test_a_file_that_became_shorter_or_changed_its_rate_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", tone(0.25))
    with pytest.raises(UserError, match="shorter than when"):
        read_utterance(utterance(path))
    with pytest.raises(UserError, match="changed after the corpus"):
        read_utterance(utterance(path, 0, 4000, 8000))


@pytest.fixture
def several(tmp_path: Path) -> list[Utterance]:
    paths = [save(tmp_path / f"{n:02d}.wav", tone(0.1 + 0.05 * n, 22_050), 22_050) for n in range(12)]
    return [utterance(path, 100 * n, 2000, 22_050) for n, path in enumerate(paths)]


@pytest.mark.parametrize(("workers", "processes"), [(1, False), (3, False), (2, True)])
def test_workers_change_nothing(several: list[Utterance], workers: int, processes: bool) -> None:
    alone = list(read_utterances(several, workers=0))
    together = list(read_utterances(several, workers=workers, processes=processes, ahead_s=0.3))
    assert [u for u, _ in together] == several
    for (_, expected), (_, heard) in zip(alone, together, strict=True):
        np.testing.assert_array_equal(heard, expected)


def test_reading_ahead_is_bounded(several: list[Utterance]) -> None:
    asked = []

    def source():
        for one in several:
            asked.append(one)
            yield one

    reader = read_utterances(source(), workers=1, ahead_s=0.25)
    next(reader)
    assert len(asked) <= 4
    reader.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_utterance_stops_the_reader_or_is_handed_over(several: list[Utterance], workers: int) -> None:
    several[3].path.unlink()
    with pytest.raises(UserError, match=r"03\.wav"):
        list(read_utterances(several, workers=workers))
    lost: list[str] = []
    read = read_utterances(several, workers=workers, on_error=lambda one, error: lost.append(f"{one.id} {error.what}"))
    assert [one.id for one, _ in read] == [one.id for one in several if one.id != "03"]
    assert len(lost) == 1
    assert lost[0].startswith("03 ")
