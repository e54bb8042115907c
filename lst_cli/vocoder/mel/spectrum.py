"""Log-mel spectrograms of speech, and waveforms out of them.

Legend: T samples at 16 kHz, J mel frames, F frequency bins, M mel bands, B utterances, U units.

Frame ``j`` is centred on sample ``hop * j``, so unit ``i`` has the frames ``4 i`` to ``4 i + 3`` with a hop of 160.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lst_cli.errors import UserError
from lst_cli.units.frames import FRAME_SAMPLES, SAMPLE_RATE
from lst_cli.vocoder.vocoder_config import SpectrumConfig


class Spectrum:
    """Between waveforms and log-mel frames.

    :param device: where the waveforms are.
    :raises UserError: settings that do not go together.
    """

    def __init__(self, config: SpectrumConfig, device: str = "cpu") -> None:
        from torchaudio.functional import melscale_fbanks

        _check(config)
        self.config = config
        self.frames_per_unit = FRAME_SAMPLES // config.hop
        self._window = torch.hann_window(config.window).to(device)
        mel_FM = melscale_fbanks(
            config.fft // 2 + 1, 0.0, SAMPLE_RATE / 2, config.bands, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        self._mel_FM: Tensor = mel_FM.to(device)
        self._back_MF = torch.linalg.pinv(mel_FM).to(device)

    def log_mel(self, wave_T: Tensor, units: int) -> Tensor:
        """Log of the mel magnitudes [J, M] of a clip's units; beyond its end there is silence."""
        return self.log_mels(F.pad(wave_T, (0, units * FRAME_SAMPLES - len(wave_T))))

    def log_mels(self, wave_T: Tensor) -> Tensor:
        """Log of the mel magnitudes [J, M] of whole units, or [B, J, M] of [B, T]; gradients go through it."""
        config = self.config
        spectrum_FJ = torch.stft(
            wave_T,
            config.fft,
            config.hop,
            config.window,
            self._window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        # The frame after the last sample belongs to the next unit.
        mel_JM = spectrum_FJ.abs().mT[..., :-1, :] @ self._mel_FM
        return mel_JM.clamp(min=config.floor).log()

    def waveform(self, log_mel_JM: Tensor) -> Tensor:
        """A waveform [T] whose mel spectrogram approximates the given one; the same input gives the same samples.

        Magnitudes are recovered from mel bands by the pseudo-inverse, phases by the Griffin-Lim algorithm.
        """
        from torchaudio.functional import griffinlim

        config = self.config
        magnitude_FJ = (log_mel_JM.exp() @ self._back_MF).clamp(min=config.floor).T
        # One frame more, so that the last samples lie between two frames.
        magnitude_FJ = torch.cat([magnitude_FJ, magnitude_FJ[:, -1:]], dim=1)
        # The iteration mirrors the clip at its ends, for which it must be longer than half a transform.
        missing = max(0, config.fft // config.hop + 1 - magnitude_FJ.shape[1])
        magnitude_FJ = F.pad(magnitude_FJ, (0, missing), value=config.floor)
        wave_T: Tensor = griffinlim(
            magnitude_FJ,
            self._window,
            config.fft,
            config.hop,
            config.window,
            1.0,
            config.iterations,
            config.momentum,
            length=(magnitude_FJ.shape[1] - 1) * config.hop,
            rand_init=False,
        )
        return wave_T[: len(log_mel_JM) * config.hop]


def _check(config: SpectrumConfig) -> None:
    problems = []
    if FRAME_SAMPLES % config.hop:
        problems.append(f"spectrum.hop {config.hop} does not divide the {FRAME_SAMPLES} samples of a unit")
    if config.window > config.fft:
        problems.append(f"spectrum.window {config.window} is more than spectrum.fft {config.fft}")
    if 2 * config.hop > config.window:
        problems.append(f"spectrum.hop {config.hop} is more than half of spectrum.window {config.window}")
    if problems:
        raise UserError("invalid settings of the vocoder's spectrum", found="; ".join(problems))
