"""Audio that comes while units do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lst_cli.hashing import integers
from lst_cli.vocoder.hifigan.unit_hifigan import HifiGanVocoder, UnitHifiGan, receptive_field
from lst_cli.vocoder.mel.spectrum import Spectrum
from lst_cli.vocoder.mel.unit_to_mel import new_network
from lst_cli.vocoder.speaking import MelVocoder, Vocoder
from lst_cli.vocoder.vocoder_config import SpectrumConfig, VocoderNetworkConfig

UNITS = 12
GENERATOR = {
    "num_embeddings": UNITS,
    "embedding_dim": 8,
    "sampling_rate": 16_000,
    "upsample_initial_channel": 32,
    "upsample_rates": [5, 4, 4, 4, 2],
    "upsample_kernel_sizes": [11, 8, 8, 8, 4],
    "resblock_kernel_sizes": [3, 7],
    "resblock_dilation_sizes": [[1, 3], [1, 3]],
    "num_speakers": 2,
}


@pytest.fixture(scope="module")
def hifigan() -> HifiGanVocoder:
    """Random weights that are heard: those of a new network all but cancel its input."""
    torch.manual_seed(0)
    network = UnitHifiGan(GENERATOR)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.dim() > 1 and "generator" in name:
                weight.normal_(0, 1.5 * weight[0].numel() ** -0.5)
        network.generator.conv_post.weight.mul_(0.01)
    return HifiGanVocoder(network, GENERATOR, ["ann", "bob"])


@pytest.fixture(scope="module")
def mel() -> MelVocoder:
    spectrum = Spectrum(SpectrumConfig(iterations=4))
    shape = {"units": UNITS, "speakers": 2, "bands": 80, "frames_per_unit": 4}
    network = new_network(VocoderNetworkConfig(width=16, blocks=2, fine_blocks=1), 0, **shape)
    network.mean_M.fill_(-3.0)  # not too loud
    return MelVocoder(network, spectrum, ["ann", "bob"])


def _units(count: int) -> NDArray[np.int64]:
    return integers(0, UNITS - 1, 0, np.arange(count))


def _streamed(vocoder: Vocoder, units_U: NDArray[np.int64], at_once: int) -> list[NDArray[np.float32]]:
    stream = vocoder.stream("bob")
    pieces = [stream.add(units_U[at : at + at_once]) for at in range(0, len(units_U), at_once)]
    return [*pieces, stream.end()]


def test_what_a_units_samples_depend_on(hifigan: HifiGanVocoder) -> None:
    reach, length = receptive_field(GENERATOR), 60
    units_1U = torch.from_numpy(_units(length))[None]
    with torch.no_grad():
        before_U640 = hifigan._network(units_1U, torch.tensor([0])).reshape(length, 640)
        units_1U[0, 30] = (units_1U[0, 30] + 1) % UNITS
        after_U640 = hifigan._network(units_1U, torch.tensor([0])).reshape(length, 640)
    changed_U = (before_U640 - after_U640).abs().amax(dim=1) > 0
    touched = changed_U.nonzero()[:, 0]
    assert 30 - reach <= touched.min() and touched.max() <= 30 + reach
    assert len(touched) >= reach  # no wild overestimate


@pytest.mark.parametrize("at_once", [1, 7, 200])
def test_a_hifigans_pieces_are_those_of_the_whole_clip(hifigan: HifiGanVocoder, at_once: int) -> None:
    units_U = _units(90)
    whole_T = hifigan.speak(units_U, "bob")
    assert 0.01 < np.abs(whole_T).max() < 0.97
    pieces = _streamed(hifigan, units_U, at_once)
    assert np.allclose(np.concatenate(pieces), whole_T, atol=1e-5)
    if at_once == 1:
        first = next(number for number, piece in enumerate(pieces) if len(piece))
        assert first + 1 == 25 + receptive_field(GENERATOR)


def test_pieces_of_the_mel_form_fill_the_clip_without_jumps(mel: MelVocoder) -> None:
    units_U = _units(160)
    pieces = _streamed(mel, units_U, 3)
    wave_T = np.concatenate(pieces)
    assert len(wave_T) == 160 * 640 and sum(len(piece) > 0 for piece in pieces) >= 4
    seams = np.cumsum([len(piece) for piece in pieces if len(piece)])[:-1]
    steps_T = np.abs(np.diff(wave_T))
    assert max(steps_T[seam - 1] for seam in seams) <= np.quantile(steps_T, 0.99)
    assert np.array_equal(np.concatenate(_streamed(mel, units_U, 160)), wave_T)  # however the units come


@pytest.mark.parametrize("kind", ["hifigan", "mel"])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_short_clips_are_as_they_are_at_once(kind: str, count: int, request: pytest.FixtureRequest) -> None:
    vocoder: Vocoder = request.getfixturevalue(kind)
    units_U = _units(count)
    whole_T = vocoder.speak(units_U, "bob")
    streamed_T = np.concatenate(_streamed(vocoder, units_U, 1))
    assert np.allclose(streamed_T, whole_T, atol=1e-5)
