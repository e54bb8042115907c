"""Speaking units: a vocoder artifact in memory.

Legend: U units, T samples, J mel frames, M mel bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from lst_cli.artifacts import Artifact
from lst_cli.config import from_dict
from lst_cli.finite import check_finite_weights
from lst_cli.units.frames import FRAME_SAMPLES, SAMPLE_RATE
from lst_cli.vocoder.files import CARD_FILE, WEIGHTS_FILE, damaged, read_card
from lst_cli.vocoder.mel.spectrum import Spectrum
from lst_cli.vocoder.mel.unit_to_mel import UnitToMel
from lst_cli.vocoder.streaming import VocoderStream
from lst_cli.vocoder.vocoder_config import SpectrumConfig, VocoderNetworkConfig
from lst_cli.vocoder.voices import check_units, limited, speaker_number

if TYPE_CHECKING:
    from typing import Any

_PIECE = 50
"""Units of a piece of a stream, at most: 2 s."""


class Vocoder(Protocol):
    """Turns units into audio."""

    sample_rate: int
    """Sample rate of the audio in Hz."""
    speakers: Sequence[str]
    """Names of the voices; the first is the default one."""

    def speak(self, units_U: NDArray[np.integer], speaker: str | None = None) -> NDArray[np.float32]:
        """Samples [T] in [-1, 1] of some units, in the voice of a speaker."""
        ...

    def stream(self, speaker: str | None = None) -> VocoderStream:
        """A clip whose units arrive later."""
        ...


class MelVocoder:
    """Units to log-mel frames by a network, frames to samples by Griffin and Lim's phases."""

    sample_rate = SAMPLE_RATE

    def __init__(self, network: UnitToMel, spectrum: Spectrum, speakers: Sequence[str]) -> None:
        self._network = network.eval()
        self._spectrum = spectrum
        self.speakers = speakers

    def speak(self, units_U: NDArray[np.integer], speaker: str | None = None) -> NDArray[np.float32]:
        """Samples [T] in [-1, 1]; 640 for each unit.

        :raises UserError: a speaker that the vocoder does not know, or a unit that it has not.
        """
        number = speaker_number(self.speakers, speaker)
        check_units(units_U, self._network.unit.num_embeddings)
        if not len(units_U):
            return np.zeros(0, np.float32)
        return limited(_MelPieces(self._network, self._spectrum, number).render(units_U, 0, len(units_U)))

    def stream(self, speaker: str | None = None) -> VocoderStream:
        """A clip whose units arrive later.

        :raises UserError: a speaker that the vocoder does not know.
        """
        pieces = _MelPieces(self._network, self._spectrum, speaker_number(self.speakers, speaker))
        return VocoderStream(pieces, piece=_PIECE, blend=1, cut=pieces.softest)


class _MelPieces:
    """Pieces of a clip in one voice."""

    unit_samples = FRAME_SAMPLES

    def __init__(self, network: UnitToMel, spectrum: Spectrum, number: int) -> None:
        self._network = network
        self._spectrum = spectrum
        self._number = number
        self.reach = network.reach

    def render(self, units_U: NDArray[np.integer], first: int, last: int) -> NDArray[np.float32]:
        """Samples [T] of some of the units."""
        wave_T: NDArray[np.float32] = self._spectrum.waveform(self._log_mel(units_U, first, last)).numpy()
        return wave_T

    def softest(self, units_U: NDArray[np.integer], first: int, last: int) -> int:
        """The one of some units that has the least magnitude."""
        magnitude_JM = self._log_mel(units_U, first, last).exp()
        return first + int(magnitude_JM.mean(dim=1).reshape(last - first, -1).mean(dim=1).argmin())

    def _log_mel(self, units_U: NDArray[np.integer], first: int, last: int) -> torch.Tensor:
        check_units(units_U, self._network.unit.num_embeddings)
        begin = max(0, first - self.reach)
        seen_U = torch.from_numpy(units_U[begin : last + self.reach].astype(np.int64))
        per_unit = self._network.frames_per_unit
        mel_JM = self._network.log_mel(seen_U, self._number)
        return mel_JM[(first - begin) * per_unit : (last - begin) * per_unit].cpu()


def load_vocoder(artifact: Artifact, device: str = "cpu") -> Vocoder:
    """Load a vocoder.

    :raises UserError: a file is missing or damaged.
    """
    card = read_card(artifact)
    return _load_mel(artifact, card, device) if card["form"] == "mel" else _load_hifigan(artifact, card, device)


def _load_hifigan(artifact: Artifact, card: dict[str, Any], device: str) -> Vocoder:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lst_cli.vocoder.hifigan.unit_hifigan import HifiGanVocoder, UnitHifiGan

    try:
        network = UnitHifiGan(card["config"])
        speakers: list[str] = card["speakers"]
    except (KeyError, TypeError) as error:
        raise damaged(artifact, CARD_FILE, error) from None
    try:
        network.load_state_dict(load_file(artifact.file(WEIGHTS_FILE), device=device))
    except (SafetensorError, RuntimeError) as error:
        raise damaged(artifact, WEIGHTS_FILE, error) from None
    check_finite_weights(network.state_dict(), artifact.reference)
    return HifiGanVocoder(network.to(device), card["config"], speakers)


def _load_mel(artifact: Artifact, card: dict[str, Any], device: str) -> MelVocoder:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network_config = from_dict(VocoderNetworkConfig, card["network"], artifact.reference)
        spectrum = Spectrum(from_dict(SpectrumConfig, card["spectrum"], artifact.reference))
        speakers: list[str] = card["speakers"]
        with torch.device("meta"):
            network = UnitToMel(
                network_config,
                units=card["units"],
                speakers=len(speakers),
                bands=spectrum.config.bands,
                frames_per_unit=spectrum.frames_per_unit,
            )
    except (KeyError, TypeError) as error:
        raise damaged(artifact, CARD_FILE, error) from None
    try:
        network.load_state_dict(load_file(artifact.file(WEIGHTS_FILE), device=device), assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise damaged(artifact, WEIGHTS_FILE, error) from None
    check_finite_weights(network.state_dict(), artifact.reference)
    return MelVocoder(network, spectrum, speakers)
