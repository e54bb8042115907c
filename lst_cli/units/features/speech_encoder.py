"""Any speech encoder that transformers reads (WavLM, wav2vec 2.0, data2vec, …): hidden states of a layer at 25 Hz.

Each clip is computed alone and without padding, so its features do not depend on any other clip. HuBERT has its own
extractor (:mod:`lst_cli.units.features.hubert`) that computes whole batches.

Legend: S samples, M the model's frames, T frames of 40 ms, D feature dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lst_cli.errors import UserError
from lst_cli.units.features.frame_rate import to_25_hz
from lst_cli.units.features.hub_models import (
    check_weights,
    find_model,
    normalizes,
    read_settings,
    samples_per_frame,
    weights_sha256,
)
from lst_cli.units.features.whole_model import load_whole
from lst_cli.units.frames import FRAME_SAMPLES, SAMPLE_RATE

if TYPE_CHECKING:
    from lst_cli.units.waveform import Waveform

_WINDOW_S = 60.0
_CONTEXT_S = 5.0


def describe_encoder(name: str, layer: int | None) -> dict[str, Any]:
    """The features config for ``--features transformers:NAME --layer N``. Loads no weights.

    :raises UserError: there is no model, it does not read samples, no layer was chosen, or it cannot give 25 Hz.
    """
    folder = _find(name)
    config = read_settings(folder / "config.json")
    kind = config.get("model_type")
    strides = config.get("conv_stride")
    if not isinstance(strides, list) or not all(isinstance(each, int) and each > 0 for each in strides):
        raise UserError(
            f"transformers:{name}: not a waveform encoder",
            found=f"model_type {kind!r} without conv_stride in {folder / 'config.json'}",
            expected="WavLM, wav2vec 2.0, data2vec-audio, UniSpeech or HuBERT",
            fix="use --features whisper:NAME for Whisper",
        )
    hop = samples_per_frame(f"transformers:{name}", strides)
    layers = int(config.get("num_hidden_layers", 0))
    if layer is None or not 1 <= layer <= layers:
        raise UserError(
            "--layer: required for these features",
            found="none given" if layer is None else str(layer),
            expected=f"1 to {layers} for {name}",
        )
    return {
        "kind": "transformers",
        "path": str(folder.resolve()) if Path(name).is_dir() else name,
        "sha256": weights_sha256(folder),
        "layer": layer,
        "normalize": normalizes(folder, config),
        "hop": hop,
        "window_s": _WINDOW_S,
        "context_s": _CONTEXT_S,
    }


class EncoderFeatures:
    """A feature extractor (see :class:`lst_cli.units.features.registry.FeatureExtractor`)."""

    def __init__(self, model: Any, settings: Mapping[str, Any]) -> None:
        self._model = model
        self._layer = int(settings["layer"])
        self._normalize = bool(settings["normalize"])
        self._pool = FRAME_SAMPLES // int(settings["hop"])
        self._reach = _reach(model.config)
        self.device = next(model.parameters()).device
        self.dim: int = model.config.hidden_size
        self.weights_D = None
        self.window_samples = round(float(settings["window_s"]) * SAMPLE_RATE)
        self.context_samples = round(float(settings["context_s"]) * SAMPLE_RATE)

    @property
    def batch_samples(self) -> int:
        """Clips are computed one at a time, so a batch only bounds memory."""
        return SAMPLE_RATE * 30

    @torch.inference_mode()
    def extract(self, waves: Sequence[Waveform]) -> Tensor:
        """Features, float32 [T, D], of all clips one after the other: ``n_frames`` rows for each."""
        return torch.cat([self._clip(torch.as_tensor(wave, dtype=torch.float32)) for wave in waves])

    def _clip(self, wave_S: Tensor) -> Tensor:
        samples = len(wave_S)
        if self._normalize:
            wave_S = (wave_S - wave_S.mean()) / torch.sqrt(wave_S.var(unbiased=False) + 1e-7)
        wave_S = torch.nn.functional.pad(wave_S, (0, max(0, self._reach - samples)))
        dtype = next(self._model.parameters()).dtype
        out = self._model(wave_S[None].to(self.device, dtype), output_hidden_states=True)
        return to_25_hz(out.hidden_states[self._layer][0].float(), samples, self._pool)


def load_encoder(config: Mapping[str, Any], device: torch.device, dtype: torch.dtype) -> EncoderFeatures:
    """Load the extractor that a features config describes.

    :raises UserError: the model was removed, transformers cannot read it, or its weights are not those of the config.
    """
    from transformers import AutoModel

    folder = _find(str(config["path"]))
    check_weights(folder, weights_sha256(folder), str(config["sha256"]))
    model = load_whole(AutoModel, folder, str(folder), what="a speech encoder", trained="a whole checkpoint")
    return EncoderFeatures(model.to(device, dtype), config)


def _find(name: str) -> Path:
    expected = "a folder with config.json, or a name on the Hugging Face hub such as microsoft/wavlm-base-plus"
    return find_model(name, f"transformers:{name}", expected, fetch=True)


def _reach(config: Any) -> int:
    """Samples that the convolutions need for one frame."""
    reach = 1
    for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
        reach = (reach - 1) * stride + kernel
    return int(reach)
