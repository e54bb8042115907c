"""MFCC features at 25 Hz.

Legend: S samples, H hops of 10 ms (100 Hz), W samples of an analysis window, M mel bins, C cepstra, D dimensions.

Thirteen cepstra with their first and second differences every 10 ms, the target of HuBERT's first iteration (Hsu et
al. 2021, section 4.2), averaged over the four hops of each 40 ms frame. Two things are ours, for units that
separate phones rather than voices:

- from each hop's cepstra their mean over the clip's hops within ``mean_s`` seconds of it is subtracted, which takes out
  the channel and a part of the speaker, also where they change within a recording (``mfcc:raw`` leaves the mean in);
- k-means counts cepstrum ``c`` with weight ``weight_decay ** (c - 1)``, and differences less than cepstra. With 100
  units on speech in five voices, both together raised PNMI (the share of a phone's entropy that its unit tells) from
  0.43 to 0.48, and the same share of the speaker's entropy fell from 0.33 to 0.16 (docs/tokenize.md).

The analysis window of hop ``h`` is centred on sample ``160 h + 80``, so the four hops of frame ``i`` lie
symmetrically in its samples ``[640 i, 640 (i + 1))``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lst_cli.units.frames import FRAME_SAMPLES, SAMPLE_RATE, n_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.units.waveform import Waveform

_HOP = 160
_WINDOW = 400
_HOPS_PER_FRAME = FRAME_SAMPLES // _HOP


class MfccFeatures:
    """A feature extractor (see :class:`lst_cli.units.features.registry.FeatureExtractor`). Runs on the CPU.

    :param config: a features config with the keys of :data:`lst_cli.units.features.mfcc_config.MFCC`.
    """

    device = torch.device("cpu")
    batch_samples = 60 * SAMPLE_RATE

    def __init__(self, config: Mapping[str, Any]) -> None:
        from torchaudio.functional import create_dct, melscale_fbanks

        cepstra, bins, fft = int(config["cepstra"]), int(config["mel_bins"]), int(config["fft"])
        self.dim = 3 * cepstra
        self.window_samples = round(float(config["window_s"]) * SAMPLE_RATE)
        self.context_samples = round(float(config["context_s"]) * SAMPLE_RATE)
        self._fft = fft
        self._pre_emphasis = float(config["pre_emphasis"])
        self._log_floor = float(config["log_floor"])
        self._delta_window = int(config["delta_window"])
        self._mean_hops = round(float(config["mean_s"]) * SAMPLE_RATE / _HOP)
        self._taper_W = torch.hamming_window(_WINDOW)
        self._mel_FM: Tensor = melscale_fbanks(
            fft // 2 + 1, float(config["low_hz"]), SAMPLE_RATE / 2, bins, SAMPLE_RATE
        )
        self._dct_MC: Tensor = create_dct(cepstra, bins, "ortho")
        order_C = np.maximum(np.arange(cepstra) - 1, 0)
        weights_C = float(config["weight_decay"]) ** order_C
        self.weights_D: NDArray[np.float32] = np.concatenate(
            [weight * weights_C for weight in config["delta_weights"]]
        ).astype(np.float32)

    @torch.inference_mode()
    def extract(self, waves: Sequence[Waveform]) -> Tensor:
        """Features, float32 [T, D], of all clips one after the other: ``n_frames`` rows for each."""
        return torch.cat([self._clip(torch.from_numpy(wave)) for wave in waves])

    def _clip(self, wave_S: Tensor) -> Tensor:
        from torchaudio.functional import compute_deltas

        cepstra_HC = self._cepstra(wave_S, n_frames(len(wave_S)) * _HOPS_PER_FRAME)
        if self._mean_hops:
            cepstra_HC = cepstra_HC - _mean_around(cepstra_HC, self._mean_hops)
        plain_1CH = cepstra_HC.T[None]
        first_1CH = compute_deltas(plain_1CH, self._delta_window)
        second_1CH = compute_deltas(first_1CH, self._delta_window)
        all_DH = torch.cat([plain_1CH, first_1CH, second_1CH], dim=1)[0]
        return all_DH.reshape(self.dim, -1, _HOPS_PER_FRAME).mean(dim=2).T

    def _cepstra(self, wave_S: Tensor, hops: int) -> Tensor:
        """Cepstra [H, C]; analysis windows see silence beyond the clip."""
        before = (_WINDOW - _HOP) // 2
        needed = (hops - 1) * _HOP + _WINDOW
        sharp_S = torch.cat([wave_S[:1], wave_S[1:] - self._pre_emphasis * wave_S[:-1]])
        # A negative pad drops what follows the last window.
        heard_S = F.pad(sharp_S, (before, needed - before - len(sharp_S)))
        spectrum_HF = torch.fft.rfft(heard_S.unfold(0, _WINDOW, _HOP) * self._taper_W, self._fft)
        power_HF = spectrum_HF.real.square() + spectrum_HF.imag.square()
        return torch.log(power_HF @ self._mel_FM + self._log_floor) @ self._dct_MC


def _mean_around(x_HC: Tensor, reach: int) -> Tensor:
    """For each row the mean of the rows at most ``reach`` away."""
    total_HC = F.pad(x_HC.double().cumsum(dim=0), (0, 0, 1, 0))
    row_H = torch.arange(len(x_HC))
    low_H, high_H = (row_H - reach).clamp(min=0), (row_H + reach + 1).clamp(max=len(x_HC))
    return ((total_HC[high_H] - total_HC[low_H]) / (high_H - low_H)[:, None]).float()
