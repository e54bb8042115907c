"""Features of a Whisper encoder at 25 Hz (Radford et al. 2022), from transformers' or CTranslate2's format.

Whisper is trained on windows of 30 s. Here each clip is encoded alone, in its own length and a second of silence, so
that a short clip costs little and its features do not depend on any other clip. The encoder's frames (50 Hz) are
averaged over each 40 ms.

Legend: S samples, B mel bands, H mel frames (100 Hz), M encoder frames (50 Hz), T frames of 40 ms, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lst_cli.errors import UserError
from lst_cli.units.features.frame_rate import to_25_hz
from lst_cli.units.features.hub_models import check_weights
from lst_cli.units.features.whisper_files import CT2_WEIGHTS, find_whisper, whisper_sha256
from lst_cli.units.features.whole_model import load_whole
from lst_cli.units.frames import SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.units.waveform import Waveform

_SILENCE_S = 1.0
"""Silence after each clip, as Whisper's training windows have."""

_FRAMES_PER_UNIT = 2

Encode = Callable[["NDArray[np.float32]"], Tensor]
"""From log-mel frames (B, H) to encoder frames (M, D) in float32."""


class WhisperFeatures:
    """A feature extractor (see :class:`lst_cli.units.features.registry.FeatureExtractor`)."""

    def __init__(self, encode: Encode, settings: Mapping[str, Any], *, bands: int, dim: int, device: torch.device):
        from transformers import WhisperFeatureExtractor

        self._encode = encode
        self._mel = WhisperFeatureExtractor(feature_size=bands)  # type: ignore[no-untyped-call]
        self.dim = dim
        self.device = device
        self.weights_D = None
        self.window_samples = round(float(settings["window_s"]) * SAMPLE_RATE)
        self.context_samples = round(float(settings["context_s"]) * SAMPLE_RATE)

    @property
    def batch_samples(self) -> int:
        """Clips are encoded one at a time, so a batch only bounds memory."""
        return SAMPLE_RATE * 30

    def extract(self, waves: Sequence[Waveform]) -> Tensor:
        """Features, float32 [T, D], of all clips one after the other: ``n_frames`` rows for each."""
        return torch.cat([self._clip(wave) for wave in waves])

    def _clip(self, wave_S: Waveform) -> Tensor:
        padded_S = np.pad(np.asarray(wave_S, dtype=np.float32), (0, round(_SILENCE_S * SAMPLE_RATE)))
        mel = self._mel(padded_S, sampling_rate=SAMPLE_RATE, padding="do_not_pad", return_tensors="np")
        mel_BH = np.asarray(mel["input_features"][0], dtype=np.float32)
        even_BH = np.ascontiguousarray(mel_BH[:, : mel_BH.shape[1] // 2 * 2])
        return to_25_hz(self._encode(even_BH), len(wave_S), _FRAMES_PER_UNIT)


def load_whisper(config: Mapping[str, Any], device: torch.device, dtype: torch.dtype) -> WhisperFeatures:
    """Load the extractor that a features config describes.

    :raises UserError: the model was removed, or its weights are not those of the config.
    """
    folder = find_whisper(str(config["path"]))
    check_weights(folder, whisper_sha256(folder), str(config["sha256"]))
    if (folder / CT2_WEIGHTS).is_file():
        return _in_ctranslate2(folder, config, device, dtype)
    return _in_transformers(folder, config, device, dtype)


def _in_ctranslate2(
    folder: Path, config: Mapping[str, Any], device: torch.device, dtype: torch.dtype
) -> WhisperFeatures:
    try:
        import ctranslate2
    except ImportError:
        raise UserError(f"{folder}: CTranslate2 is not installed", fix="pip install 'lst-cli[evaluator]'") from None
    try:
        model = ctranslate2.models.Whisper(
            str(folder),
            device=device.type,
            device_index=device.index or 0,
            compute_type="float32" if dtype == torch.float32 else "bfloat16",
            intra_threads=1,
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{folder}: not a Whisper model of CTranslate2", found=str(error).splitlines()[0]) from None

    def encode(mel_BH: NDArray[np.float32]) -> Tensor:
        frames = model.encode(ctranslate2.StorageView.from_array(mel_BH[None]), to_cpu=True)
        return torch.from_numpy(np.array(frames, dtype=np.float32)[0])

    dim = encode(np.zeros((model.n_mels, 2), np.float32)).shape[1]
    return WhisperFeatures(encode, config, bands=model.n_mels, dim=dim, device=device)


def _in_transformers(
    folder: Path, config: Mapping[str, Any], device: torch.device, dtype: torch.dtype
) -> WhisperFeatures:
    from transformers import WhisperModel

    model = load_whole(WhisperModel, folder, str(folder), what="a Whisper model", trained="a whole Whisper checkpoint")
    encoder = model.encoder.to(device, dtype)
    layer = config["layer"] or len(encoder.layers)

    @torch.inference_mode()
    def encode(mel_BH: NDArray[np.float32]) -> Tensor:
        # transformers' own forward wants exactly 30 s.
        x_1BH = torch.from_numpy(mel_BH)[None].to(device, dtype)
        x_1DM = F.gelu(encoder.conv2(F.gelu(encoder.conv1(x_1BH))))
        x_1MD = x_1DM.transpose(1, 2)
        x_1MD = x_1MD + encoder.embed_positions.weight[: x_1MD.shape[1]]
        for block in encoder.layers[:layer]:
            x_1MD = block(x_1MD, attention_mask=None, layer_head_mask=None)[0]
        if layer == len(encoder.layers):
            x_1MD = encoder.layer_norm(x_1MD)
        out_MD: Tensor = x_1MD[0].float()
        return out_MD

    sizes = model.config
    return WhisperFeatures(encode, config, bands=sizes.num_mel_bins, dim=sizes.d_model, device=device)
