"""Feature extractors: their interface and their registry.

A features config is plain data that says how features are made; it stands in the quantizer artifact and in its
``centroids.safetensors``. A new extractor is one file and one line in each of the two functions below.

Legend: T frames, D feature dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lst_cli.distributed.device import Precision, pick_device
from lst_cli.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from lst_cli.units.waveform import Waveform


class FeatureExtractor(Protocol):
    """Turns audio at 16 kHz into one vector for each 40 ms, by the rule of :mod:`lst_cli.units.frames`.

    A clip's features do not depend on the other clips of its batch.
    """

    @property
    def dim(self) -> int:
        """D."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def window_samples(self) -> int:
        """The longest clip in one pass; longer ones are divided into windows."""

    @property
    def context_samples(self) -> int:
        """Context audio before and after the kept part of a window."""

    @property
    def batch_samples(self) -> int:
        """Audio per batch for good throughput."""

    @property
    def weights_D(self) -> NDArray[np.float32] | None:
        """Weight of each dimension in k-means, after scaling to variance 1; None to cluster without scaling."""

    def extract(self, waves: Sequence[Waveform]) -> torch.Tensor:
        """Features of all clips one after the other, float32 [T, D]: ``n_frames`` rows for each clip."""


def describe_features(spec: str, layer: int | None) -> dict[str, Any]:
    """The features config for ``--features SPEC --layer N``. Does not load torch.

    :raises UserError: no such extractor, or its options are wrong.
    """
    kind, _, argument = spec.partition(":")
    if kind == "mfcc":
        from lst_cli.units.features.mfcc_config import describe_mfcc

        return describe_mfcc(layer, argument)
    if kind == "hubert" and argument:
        from lst_cli.units.features.hubert_files import describe_hubert

        return describe_hubert(argument, layer)
    if kind == "torchaudio" and argument:
        from lst_cli.units.features.hubert_files import describe_hubert

        return describe_hubert(spec, layer)
    if kind == "whisper" and argument:
        from lst_cli.units.features.whisper_files import describe_whisper

        return describe_whisper(argument, layer)
    if kind == "transformers" and argument:
        from lst_cli.units.features.speech_encoder import describe_encoder

        return describe_encoder(argument, layer)
    raise UserError(
        f"--features {spec}: no such features",
        expected="mfcc, mfcc:raw, hubert:NAME, torchaudio:HUBERT_BASE, whisper:NAME or transformers:NAME; NAME is a "
        "folder or a name on the Hugging Face Hub",
    )


def load_features(
    config: Mapping[str, Any], device: str = "auto", precision: Precision = "float32", *, compile: bool = False
) -> FeatureExtractor:
    """The extractor that a features config describes.

    :param device: as :func:`lst_cli.distributed.device.pick_device` takes it.
    :param compile: compile the model with torch.compile; no effect on MFCC.
    :raises UserError: the config is of a newer ``lst``, or its model can't be read.
    """
    import torch

    place = torch.device(pick_device(device))
    kind = config.get("kind")
    if kind == "mfcc":
        from lst_cli.units.features.mfcc import MfccFeatures

        try:
            return MfccFeatures(config)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(
                "the quantizer's MFCC settings are damaged",
                found=f"{type(error).__name__}: {error}",
                fix="make the quantizer again with 'lst units fit'",
            ) from None
    if kind == "hubert":
        from lst_cli.units.features.hubert import load_hubert

        return load_hubert(config, place, getattr(torch, precision), compile=compile)
    if kind == "whisper":
        from lst_cli.units.features.whisper import load_whisper

        return load_whisper(config, place, getattr(torch, precision))
    if kind == "transformers":
        from lst_cli.units.features.speech_encoder import load_encoder

        return load_encoder(config, place, getattr(torch, precision))
    raise UserError(f"unknown features of the quantizer: {kind!r}")
