"""Pretrained models in the Hugging Face hub's format, without loading torch: where they are, their checksum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lst_cli.checksum import sha256_of
from lst_cli.errors import UserError
from lst_cli.hub import hub_folder
from lst_cli.json_text import parse_json
from lst_cli.units.frames import FRAME_SAMPLES

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_FETCHED = ("*.json", *_WEIGHTS)
"""Config, settings, vocabulary and the index of the weights; the weights."""


def find_model(name: str, called: str, expected: str, *, fetch: bool) -> Path:
    """The folder of a model given as a folder or as a name on the hub.

    :param called: its name in errors, as in ``--model NAME``; ``expected`` is their text for valid values.
    :param fetch: download it from the Hub if needed; otherwise it must have been downloaded before.
    :raises UserError: there is no such folder, and the Hub has no such model or can't be reached; or the model has
        no ``config.json``.
    """
    folder = hub_folder(name, called, _FETCHED, expected, fetch=fetch)
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{called}: no model", found=f"no config.json in {folder}", expected="a model in the Hub's format"
        )
    return folder


def weights_sha256(folder: Path) -> str:
    """One checksum over the config and all weight files of a model.

    :raises UserError: the folder has no weights.
    """
    for pattern in _WEIGHTS:
        files = sorted(folder.glob(pattern))
        if files:
            break
    else:
        raise UserError(f"{folder}: no model weights", expected="model.safetensors or pytorch_model.bin")
    return sha256_of(folder / "config.json", *files)


def check_weights(folder: Path, found: str, expected: str) -> None:
    """Refuse other weights than those a quantizer was fitted with.

    :param found: checksum of the model in ``folder``.
    :raises UserError: it is not ``expected``.
    """
    if found != expected:
        raise UserError(
            f"{folder}: not the weights that the quantizer was made with",
            found=f"sha256 {found}",
            expected=f"sha256 {expected}",
            fix="restore the model, or fit a quantizer for this one with 'lst units fit'",
        )


def samples_per_frame(name: str, strides: Sequence[int]) -> int:
    """Samples at 16 kHz for each frame of a convolutional front end; they divide 40 ms.

    :param name: what errors call the model.
    :raises UserError: they do not.
    """
    hop = math.prod(strides)
    if FRAME_SAMPLES % hop:
        raise UserError(
            f"{name}: the model's frames do not divide 40 ms",
            found=f"one frame every {hop} samples at 16 kHz",
            expected=f"a divisor of {FRAME_SAMPLES}, such as 320 (50 Hz) or 640 (25 Hz)",
        )
    return hop


def normalizes(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether a speech model takes clips of mean 0 and variance 1.

    :param config: what its ``config.json`` says.
    :raises UserError: ``preprocessor_config.json`` can't be read.
    """
    # transformers' own conversion of the group-norm models trained on raw audio, the layer-norm ones on normalised.
    usual = config.get("feat_extract_norm", "group") == "layer"
    return bool(read_settings(folder / "preprocessor_config.json").get("do_normalize", usual))


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file of settings; empty without a file.

    :raises UserError: it can't be read, or holds something else.
    """
    if not path.exists():
        return {}
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: can't be read", found=str(error), expected="a model saved in the Hub's format"
        ) from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: not a config", found=type(data).__name__, expected="a mapping")
    return data
