"""HuBERT models on disk, looked at without loading torch: where they are, what their config says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lst_cli.errors import UserError
from lst_cli.units.features.hub_models import find_model, normalizes, read_settings, samples_per_frame, weights_sha256
from lst_cli.units.features.torchaudio_bundles import PREFIX, find_bundle

_DEFAULT_STRIDES = (5, 2, 2, 2, 2, 2, 2)
"""Defaults of transformers for keys that are not in config.json: HuBERT base."""

_DEFAULT_LAYERS = 12

WINDOW_S = 60.0
"""Longest clip that is read whole, in seconds; longer ones are divided into windows of this length."""

CONTEXT_S = 5.0
"""Audio before and after the kept part of a window, in seconds."""


def describe_hubert(path: str, layer: int | None) -> dict[str, Any]:
    """The features config for ``--features hubert:PATH --layer N``.

    :raises UserError: there is no model, no layer was chosen, or the model can't give 25 Hz.
    """
    folder = find_hubert(path)
    config = read_settings(folder / "config.json")
    kind = config.get("model_type", "hubert")
    if kind != "hubert":
        raise UserError(
            f"{path}: not a HuBERT model",
            found=f"model_type {kind!r} in config.json",
            expected="model_type 'hubert'",
            fix=f"use --features transformers:{path}, which reads other speech encoders",
        )
    layers = _number_of_layers(config, folder)
    if layer is None or not 1 <= layer <= layers:
        raise UserError(
            "--layer: required for these features",
            found="none given" if layer is None else str(layer),
            expected=f"1 to {layers} for {path}",
            fix="--layer 9 is usual for HuBERT base (of 12), --layer 11 for mHuBERT at 25 Hz",
        )
    _check_strides(folder, config)
    return {
        "kind": "hubert",
        "path": str(folder.resolve()) if Path(path).is_dir() else path,
        "sha256": weights_sha256(folder),
        "layer": layer,
        "normalize": normalizes(folder, config),
        "window_s": WINDOW_S,
        "context_s": CONTEXT_S,
    }


def find_hubert(path: str) -> Path:
    """The folder of a model given as a folder, a name on the Hugging Face hub (fetched if need be), or a bundle's name.

    :raises UserError: there is no such folder, and the Hub has no such model or cannot be reached.
    """
    if path.startswith(PREFIX):
        return find_bundle(path.removeprefix(PREFIX))
    expected = "a folder with config.json, or a name on the Hugging Face hub such as facebook/hubert-base-ls960"
    return find_model(path, f"hubert:{path}", expected, fetch=True)


def _number_of_layers(config: dict[str, Any], folder: Path) -> int:
    layers = config.get("num_hidden_layers", _DEFAULT_LAYERS)
    if not isinstance(layers, int) or layers < 1:
        raise UserError(f"{folder / 'config.json'}: num_hidden_layers", found=repr(layers), expected="a whole number")
    return layers


def _check_strides(folder: Path, config: dict[str, Any]) -> None:
    strides = config.get("conv_stride", _DEFAULT_STRIDES)
    if not isinstance(strides, (list, tuple)) or not all(isinstance(each, int) and each > 0 for each in strides):
        raise UserError(f"{folder / 'config.json'}: conv_stride", found=repr(strides), expected="whole numbers")
    samples_per_frame(str(folder), strides)
