"""The settings of MFCC features, without loading torch."""

from __future__ import annotations

from typing import Any

from lst_cli.errors import UserError

MFCC = {
    "kind": "mfcc",
    "cepstra": 13,
    "mel_bins": 40,
    "low_hz": 20.0,
    "fft": 512,
    "pre_emphasis": 0.97,
    "log_floor": 1e-6,
    "delta_window": 5,
    "mean_s": 10.0,
    "weight_decay": 0.9,
    "delta_weights": [1.0, 0.7, 0.5],
    "window_s": 120.0,
    "context_s": 11.0,
}
"""The features config of ``--features mfcc``; :mod:`lst_cli.units.features.mfcc` says what each does."""


RAW = {"mean_s": 0.0, "context_s": 1.0}
"""Settings of ``--features mfcc:raw``: no mean is subtracted, so a frame depends on its immediate context alone."""


def describe_mfcc(layer: int | None, form: str = "") -> dict[str, Any]:
    """The features config for ``--features mfcc`` or ``mfcc:raw``.

    :raises UserError: there is no such form, or a layer was given.
    """
    if form not in ("", "raw"):
        raise UserError(f"--features mfcc:{form}: no such features", expected="mfcc, or mfcc:raw without a mean")
    if layer is not None:
        raise UserError("--layer: MFCC features have no layers", found=str(layer), fix="remove --layer")
    return {**MFCC, **(RAW if form else {})}
