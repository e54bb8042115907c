from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.units.features.mfcc_config import MFCC
from lst_cli.units.features.registry import load_features
from lst_cli.units.frames import n_frames
from lst_cli.units.quantizer.codebook import Codebook
from lst_cli.units.quantizer.quantize import Quantizer, tokenize_waveforms
from tests.units.speech import sound


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    extractor = load_features(MFCC)
    frames = extractor.extract([sound(20.0, seed) for seed in range(2)]).numpy()
    mean, scale = frames.mean(axis=0), frames.std(axis=0)
    return Codebook(centroids_KD=((frames - mean) / scale)[::25], mean_D=mean, scale_D=scale, features=MFCC)


def test_a_unit_is_the_nearest_centroid(codebook: Codebook) -> None:
    quantizer = Quantizer(codebook, load_features(MFCC))
    features = quantizer.extractor.extract([sound(6.0, 5)])
    normal = (features.numpy() - codebook.mean_D) / codebook.scale_D
    distances = ((normal[:, None].astype(np.float64) - codebook.centroids_KD[None]) ** 2).sum(axis=2)
    assert np.array_equal(quantizer.assign(features), distances.argmin(axis=1))


def test_one_file_is_all_it_takes(codebook: Codebook, tmp_path: Path) -> None:
    codebook.save(tmp_path)
    shutil.move(tmp_path / "centroids.safetensors", tmp_path / "quantizer.safetensors")
    loaded = Quantizer.load(tmp_path / "quantizer.safetensors")
    assert loaded.features_config == MFCC
    assert loaded.units == codebook.units
    wave = sound(3.0, 9)
    direct = Quantizer(codebook, load_features(MFCC)).tokenize([wave])[0]
    assert np.array_equal(tokenize_waveforms(loaded, [wave])[0], direct)


def test_any_number_of_clips_of_any_length(codebook: Codebook) -> None:
    quantizer = Quantizer(codebook, load_features(MFCC))
    waves = [sound(seconds, i) for i, seconds in enumerate((0.001, 61.0, 2.0, 45.0, 130.0, 0.04))]
    units = tokenize_waveforms(quantizer, waves)
    assert [len(u) for u in units] == [n_frames(len(wave)) for wave in waves]
    assert all(u.dtype == np.uint16 and int(u.max()) < quantizer.units for u in units)
    assert all(
        np.array_equal(a, tokenize_waveforms(quantizer, [wave])[0]) for a, wave in zip(units, waves, strict=True)
    )
    assert tokenize_waveforms(quantizer, []) == []


def test_windows_change_no_token_of_a_long_clip(codebook: Codebook) -> None:
    """The context of a window holds all that a frame's features depend on."""
    loud = np.float32([1, 0.5, 2, 1, 0.3] * 4)
    wave = np.concatenate([gain * sound(15.0, 11 + i) for i, gain in enumerate(loud)])
    whole = Quantizer(codebook, load_features(MFCC | {"window_s": 400.0}))
    cut = Quantizer(codebook, load_features(MFCC))
    assert np.mean(tokenize_waveforms(whole, [wave])[0] == tokenize_waveforms(cut, [wave])[0]) >= 0.999


@pytest.mark.parametrize(
    ("wave", "message"),
    [
        (np.zeros(0, np.float32), "no audio"),
        (np.zeros((2, 100), np.float32), "one channel"),
        (np.full(1000, np.nan, np.float32), "not finite"),
    ],
)
def test_unsound_audio_is_refused(codebook: Codebook, wave: NDArray[np.float32], message: str) -> None:
    with pytest.raises(UserError, match=message):
        tokenize_waveforms(Quantizer(codebook, load_features(MFCC)), [wave])


def test_equal_codebooks_are_equal_files(codebook: Codebook, tmp_path: Path) -> None:
    files = set()
    for number in range(10):
        folder = tmp_path / str(number)
        codebook.save(folder)
        files.add((folder / "centroids.safetensors").read_bytes())
    assert len(files) == 1
    assert Codebook.read(tmp_path / "0").features == codebook.features


def test_damaged_quantizers_are_named(codebook: Codebook, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a quantizer"):
        Quantizer.load(tmp_path / "none.safetensors")
    codebook.save(tmp_path)
    file = tmp_path / "centroids.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a quantizer"):
        Quantizer.load(tmp_path)
    with pytest.raises(UserError, match="not for these features"):
        Quantizer(codebook, load_features(MFCC | {"cepstra": 12}))
    with pytest.raises(UserError, match="don't fit together"):
        Codebook(
            centroids_KD=codebook.centroids_KD, mean_D=codebook.mean_D[1:], scale_D=codebook.scale_D, features=MFCC
        )
