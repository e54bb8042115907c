"""HuBERT features: hidden states of one layer of a model in transformers format, at 25 Hz.

Legend: S samples, T frames, C channels of the front end, D model size.

The model's own frames (50 Hz for HuBERT base and large, 25 Hz for mHuBERT-25hz, or what the strides say) are the
frames that transformers gives for the unpadded clip. Frames of a model faster than 25 Hz are averaged over each 40 ms.
Where the model has too few frames for the frame rule (its last frame would reach beyond the clip), its last frame
is repeated, and where it has too many they are dropped. So the features are those of the published models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lst_cli.units.features.frame_rate import to_25_hz
from lst_cli.units.features.hub_models import check_weights, weights_sha256
from lst_cli.units.features.hubert_encoder import RaggedEncoder
from lst_cli.units.features.hubert_files import find_hubert
from lst_cli.units.features.hubert_front import ConvFront
from lst_cli.units.features.whole_model import load_whole
from lst_cli.units.frames import FRAME_SAMPLES, SAMPLE_RATE

if TYPE_CHECKING:
    from lst_cli.units.waveform import Waveform


class HubertFeatures:
    """A feature extractor (see :class:`lst_cli.units.features.registry.FeatureExtractor`).

    :param model: a transformers ``HubertModel`` in evaluation mode, float32 and on the device where it shall run; it
        is truncated at the layer and must not be used afterwards.
    :param settings: a features config as :func:`lst_cli.units.features.hubert_files.describe_hubert` makes it.
    :param dtype: what to compute in, float32 or bfloat16.
    """

    def __init__(self, model: Any, settings: Mapping[str, Any], dtype: torch.dtype) -> None:
        config = model.config
        layer = int(settings["layer"])
        last = layer == len(model.encoder.layers)
        model.encoder.layers = model.encoder.layers[:layer]
        self._front = ConvFront(model.feature_extractor, config, dtype)
        self._projection = model.feature_projection.to(dtype)
        self._encoder = RaggedEncoder(model.encoder.to(dtype), config, last=last)
        self.device = next(model.parameters()).device
        self.weights_D = None
        self._normalize = bool(settings["normalize"])
        self._pool = FRAME_SAMPLES // self._front.hop
        self.dim: int = config.hidden_size
        self.window_samples = round(float(settings["window_s"]) * SAMPLE_RATE)
        self.context_samples = round(float(settings["context_s"]) * SAMPLE_RATE)

    @property
    def batch_samples(self) -> int:
        """Audio that is best read at once: enough frames for large matrix products, few enough for the memory and, on a
        CPU, for its cores to end together.
        """
        return SAMPLE_RATE * (600 if self.device.type == "cuda" else 20)

    @torch.inference_mode()
    def extract(self, waves: Sequence[Waveform]) -> Tensor:
        """Features, float32 [T, D], of all clips one after the other: ``n_frames`` rows for each."""
        fronts = [self._front(self._prepare(wave)) for wave in waves]
        frames = [len(front) for front in fronts]
        x_TD = self._encoder(self._projection(torch.cat(fronts)), frames).float()
        clips = zip(torch.split(x_TD, frames), waves, strict=True)
        return torch.cat([to_25_hz(clip_TD, len(wave), self._pool) for clip_TD, wave in clips])

    def compile_parts(self) -> None:
        """Compile what works on single frames; clips of any length then share one compiled form."""
        self._encoder.compile_layers()

    def _prepare(self, wave: Waveform) -> Tensor:
        wave_S = torch.as_tensor(wave, dtype=torch.float32).to(self.device)
        if self._normalize:
            wave_S = (wave_S - wave_S.mean()) / torch.sqrt(wave_S.var(unbiased=False) + 1e-7)
        missing = self._front.reach - len(wave_S)
        return torch.nn.functional.pad(wave_S, (0, missing)) if missing > 0 else wave_S


def load_hubert(
    config: Mapping[str, Any], device: torch.device, dtype: torch.dtype, *, compile: bool = False
) -> HubertFeatures:
    """Load the extractor that a features config describes.

    :raises UserError: the model was removed, is not a HuBERT, or its weights are not those of the config.
    """
    folder = find_hubert(str(config["path"]))
    check_weights(folder, weights_sha256(folder), str(config["sha256"]))
    features = HubertFeatures(read_hubert(folder).to(device), config, dtype)
    if compile:
        features.compile_parts()
    return features


def read_hubert(folder: Path) -> Any:
    """Read a transformers ``HubertModel`` from a folder.

    :raises UserError: transformers can't read it, or weights are missing.
    """
    from transformers import HubertModel

    return load_whole(
        HubertModel,
        folder,
        str(folder),
        what="a HuBERT model",
        files="config.json and model.safetensors or pytorch_model.bin, as save_pretrained writes them",
        trained="a whole HuBERT checkpoint",
    )
