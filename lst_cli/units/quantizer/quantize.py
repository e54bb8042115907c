"""From audio to units: a feature extractor and the nearest centroid.

Legend: T frames, K centroids, D feature dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lst_cli.distributed.device import Precision
from lst_cli.errors import UserError
from lst_cli.units.features.registry import FeatureExtractor, load_features
from lst_cli.units.frames import n_frames
from lst_cli.units.input.windows import AudioWindow, cut_windows
from lst_cli.units.quantizer.codebook import Codebook
from lst_cli.units.waveform import check_waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from lst_cli.units.waveform import Waveform

_ASSIGN_FRAMES = 1 << 15
"""Frames compared with all centroids at once; bounds the table of distances (64 MiB for 501 units)."""


class Quantizer:
    """Turns audio into units, alone or many clips at once: a clip's units don't depend on its company."""

    def __init__(self, codebook: Codebook, extractor: FeatureExtractor) -> None:
        if extractor.dim != codebook.centroids_KD.shape[1]:
            raise UserError(
                "the centroids are not for these features",
                found=f"{codebook.centroids_KD.shape[1]} dimensions",
                expected=f"{extractor.dim}, as {codebook.features.get('kind')} features have",
                fix="fit or import a quantizer for these features",
            )
        self.codebook = codebook
        self.extractor = extractor
        # |x - c|^2 = |x|^2 - 2 x.c + |c|^2, and |x|^2 moves no minimum. Normalising x is folded into c:
        # x = (f - m) / s, so -2 x.c = f.(-2 c / s) + 2 (m / s).c
        scale_D, mean_D = codebook.scale_D.astype(np.float64), codebook.mean_D.astype(np.float64)
        centroids_KD = codebook.centroids_KD.astype(np.float64)
        bias_K = (centroids_KD**2).sum(axis=1) + 2 * centroids_KD @ (mean_D / scale_D)
        place = extractor.device
        self._weight_DK = torch.from_numpy((-2 * centroids_KD / scale_D).T.astype(np.float32)).to(place)
        self._bias_K = torch.from_numpy(bias_K.astype(np.float32)).to(place)

    @classmethod
    def load(
        cls, path: Path, device: str = "auto", precision: Precision = "float32", compile: bool = False
    ) -> Quantizer:
        """Load a quantizer from its artifact's folder or from its ``centroids.safetensors``, under any name.

        :param device: as :func:`lst_cli.distributed.device.pick_device` takes it.
        :param compile: compile the model with torch.compile.
        :raises UserError: it is not a quantizer, or the model of its features cannot be found.
        """
        codebook = Codebook.read(path)
        return cls(codebook, load_features(codebook.features, device, precision, compile=compile))

    @property
    def features_config(self) -> Mapping[str, Any]:
        """How the features are made."""
        return self.codebook.features

    @property
    def units(self) -> int:
        """The number of different units."""
        return self.codebook.units

    @torch.inference_mode()
    def assign(self, features_TD: Tensor) -> NDArray[np.uint16]:
        """The unit of each frame: the nearest centroid, the first of several equally near."""
        parts = [
            torch.addmm(self._bias_K, part_TD, self._weight_DK).argmin(dim=1).to(torch.int32)
            for part_TD in torch.split(features_TD, _ASSIGN_FRAMES)
        ]
        units: NDArray[np.uint16] = torch.cat(parts).cpu().numpy().astype(np.uint16)
        return units

    def tokenize(self, waves: Sequence[Waveform]) -> list[NDArray[np.uint16]]:
        """Units of clips that are all read at once and no longer than the extractor's window."""
        ends = np.cumsum([n_frames(len(wave)) for wave in waves])
        return np.split(self.assign(self.extractor.extract(waves)), ends[:-1])


def tokenize_waveforms(quantizer: Quantizer, waves: Sequence[Waveform]) -> list[NDArray[np.uint16]]:
    """Units of clips of any lengths.

    :param waves: mono audio at 16 kHz, in [-1, 1].
    :return: for each clip, ``n_frames(len(wave))`` units (:mod:`lst_cli.units.frames`).
    :raises UserError: a clip is empty, has several channels or samples that are not finite numbers.
    """
    clips = [check_waveform(wave, f"clip {i}") for i, wave in enumerate(waves)]
    extractor = quantizer.extractor
    pieces = [
        (i, window)
        for i, clip in enumerate(clips)
        for window in cut_windows(len(clip), extractor.window_samples, extractor.context_samples)
    ]
    found: list[list[NDArray[np.uint16]]] = [[] for _ in clips]
    for batch in batched(pieces, [window.stop - window.start for _, window in pieces], extractor.batch_samples):
        heard = quantizer.tokenize([clips[i][window.start : window.stop] for i, window in batch])
        for (i, window), units in zip(batch, heard, strict=True):
            found[i].append(kept(units, window))
    return [np.concatenate(parts) for parts in found]


def kept(units: NDArray[np.uint16], window: AudioWindow) -> NDArray[np.uint16]:
    """The units of a window's kept frames, without those of its context."""
    return units[window.first : window.first + window.frames]


def batched(items: Sequence[Any], samples: Sequence[int], limit: int) -> Iterator[list[Any]]:
    """Divide items into runs of at most ``limit`` samples (or of one item), in order."""
    batch: list[Any] = []
    total = 0
    for item, length in zip(items, samples, strict=True):
        if batch and total + length > limit:
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += length
    if batch:
        yield batch
