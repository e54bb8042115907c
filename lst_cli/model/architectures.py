"""Architectures by name.

``lst_1b`` is Table 7 of Lu et al. 2025. The paper names the other sizes without their shapes: those here are
ours, with the same proportions (global width twice the local one, one encoder layer, decoder about a third as deep
as the global transformer). ``baseline_X`` is the global transformer of ``lst_X``.

The paper says two things about cross-attention: in A.2.1 a patch's queries read the patch's own tokens and a decoder
token reads the patches before it; the note of Table 7 gives both a window of 512 patches. All sizes here follow A.2.1:
encoder queries reach their own patch, and the 512 is the decoder's reach.

``lst_tiny`` is for CPUs and short documents, ``lst_micro`` is half as wide. Their local window is 32 tokens, so that a
story of 150 tokens is longer than the window, as the paper's documents are longer than its 512.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from lst_cli.errors import UserError
from lst_cli.model.model_config import LocalConfig, ModelConfig


def _lst(layers: int, dim: int, heads: int, decoder_layers: int, local_heads: int, window: int = 512) -> ModelConfig:
    local = LocalConfig(
        dim=dim // 2,
        heads=local_heads,
        encoder_layers=1,
        decoder_layers=decoder_layers,
        window=window,
        encoder_cross_window=1,
    )
    return ModelConfig(family="lst", layers=layers, dim=dim, heads=heads, local=local)


_LST = {
    "micro": _lst(layers=2, dim=128, heads=4, decoder_layers=1, local_heads=4, window=32),
    "tiny": _lst(layers=4, dim=256, heads=4, decoder_layers=2, local_heads=4, window=32),
    "110m": _lst(layers=12, dim=768, heads=12, decoder_layers=4, local_heads=6),
    "420m": _lst(layers=24, dim=1024, heads=16, decoder_layers=8, local_heads=8),
    "1b": _lst(layers=25, dim=2048, heads=16, decoder_layers=9, local_heads=16),
    "1_8b": _lst(layers=28, dim=2304, heads=18, decoder_layers=9, local_heads=18),
    "7b": _lst(layers=32, dim=4096, heads=32, decoder_layers=11, local_heads=16),
}


def _changed(base: ModelConfig, **local: Any) -> ModelConfig:
    assert base.local is not None
    return dataclasses.replace(base, local=dataclasses.replace(base.local, **local))


_BYPASS = _changed(_LST["1b"], text="bypass")
_FASTER = {
    "1b_k4": _changed(_LST["1b"], dim=512, heads=8),
    "1b_d4": _changed(_LST["1b"], decoder_layers=4),
    "1b_d2": _changed(_LST["1b"], decoder_layers=2),
    "1b_bypass": _BYPASS,
    "1b_bypass_d4": _changed(_BYPASS, decoder_layers=4),
    "tiny_bypass": _changed(_LST["tiny"], text="bypass"),
}
"""Ours: cheaper local layers than Table 7's; docs/model.md counts what each saves."""

ARCHITECTURES: dict[str, ModelConfig] = {
    **{f"lst_{size}": config for size, config in (_LST | _FASTER).items()},
    **{f"baseline_{size}": dataclasses.replace(config, family="baseline", local=None) for size, config in _LST.items()},
}


def architecture(name: str) -> ModelConfig:
    """The architecture of this name.

    :raises UserError: there is none.
    """
    if name not in ARCHITECTURES:
        raise UserError(
            f"model.architecture: {name!r} is not an architecture", expected=", ".join(sorted(ARCHITECTURES))
        )
    return ARCHITECTURES[name]
