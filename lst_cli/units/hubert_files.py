"""HuBERT models on disk, looked at without loading torch: where they are, what their config says, their sum."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lst_cli.errors import UserError
from lst_cli.units.frames import FRAME_SAMPLES
from lst_cli.units.hubert_bundles import PREFIX, find_bundle

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")

_DEFAULT_STRIDES = (5, 2, 2, 2, 2, 2, 2)
"""What transformers assumes where config.json does not say: HuBERT base."""

_DEFAULT_LAYERS = 12

WINDOW_S = 60.0
"""Longest clip that is read whole, in seconds; longer ones are cut into windows of this length."""

CONTEXT_S = 5.0
"""Audio before and after the kept part of a window, in seconds."""


def describe_hubert(path: str, layer: int | None) -> dict[str, Any]:
    """The features config for ``--features hubert:PATH --layer N``.

    :raises UserError: there is no model, no layer was chosen, or the model can't give 25 Hz.
    """
    folder = find_model(path)
    config = _read_json(folder / "config.json")
    layers = int(config.get("num_hidden_layers", _DEFAULT_LAYERS))
    if layer is None or not 1 <= layer <= layers:
        raise UserError(
            "--layer: which layer's output shall be clustered?",
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


def normalizes(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether a model of this kin takes clips of mean 0 and variance 1.

    :param config: what its ``config.json`` says.
    :raises UserError: ``preprocessor_config.json`` can't be read.
    """
    # transformers' own conversion of the group-norm models trained on raw audio, the layer-norm ones on normalised.
    usual = config.get("feat_extract_norm", "group") == "layer"
    preprocessor = folder / "preprocessor_config.json"
    return bool(_read_json(preprocessor).get("do_normalize", usual)) if preprocessor.is_file() else usual


def find_model(path: str) -> Path:
    """The folder of a model given as a folder, a name on the Hugging Face hub (fetched if need be), or a bundle's name.

    :raises UserError: there is no such folder, and the hub has no such model or can't be reached.
    """
    if path.startswith(PREFIX):
        return find_bundle(path.removeprefix(PREFIX))
    folder = Path(path)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or path.startswith(".") or path.count("/") != 1:
        raise UserError(
            f"hubert:{path}: no such folder",
            expected="a folder with config.json, or a name on the Hugging Face hub such as facebook/hubert-base-ls960",
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json", "pytorch_model*"]
    try:
        return Path(snapshot_download(path, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"hubert:{path}: not a folder here, and it can't be fetched from the Hugging Face hub",
            found=str(error).strip().splitlines()[0],
            fix="copy the model's folder to this machine and give its path",
        ) from None


def weights_sha256(folder: Path) -> str:
    """One sum over the config and all weight files of a model.

    :raises UserError: the folder has no weights.
    """
    for pattern in _WEIGHTS:
        files = sorted(folder.glob(pattern))
        if files:
            break
    else:
        raise UserError(f"{folder}: no model weights", expected="model.safetensors or pytorch_model.bin")
    total = hashlib.sha256()
    for file in [folder / "config.json", *files]:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 22):
                total.update(chunk)
    return total.hexdigest()


def _check_strides(folder: Path, config: dict[str, Any]) -> None:
    hop = math.prod(config.get("conv_stride", _DEFAULT_STRIDES))
    if FRAME_SAMPLES % hop:
        raise UserError(
            f"{folder}: the model's frames don't divide 40 ms",
            found=f"one frame every {hop} samples at 16 kHz",
            expected=f"a divisor of {FRAME_SAMPLES}, such as 320 (50 Hz) or 640 (25 Hz)",
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read", found=str(error), expected="a model saved in hub format") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: not a config", found=type(data).__name__, expected="a mapping")
    return data
