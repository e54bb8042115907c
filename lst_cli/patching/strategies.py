"""The registered patching strategies, and which one a training step uses (Lu et al. 2025, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.patching.aligned import aligned
from lst_cli.patching.static import static
from lst_cli.patching.stream import Patches, TokenStream

Cut = Literal["none", "static", "aligned"]
"""A way to cut one stream."""


@config_dataclass
class PatchingConfig:
    """How speech tokens are grouped into patches."""

    strategy: Literal["none", "static", "aligned", "mixed", "curriculum"] = "static"
    """``none``: every token is a position (the baseline). ``mixed`` and ``curriculum`` draw ``static`` or
    ``aligned`` for each packed sequence."""

    size: int = Field(default=4, ge=1, le=10_000)
    """Tokens in a full static patch. Inference uses it for every strategy."""

    silence: Literal["separate", "merged"] = "separate"
    """Aligned patching: silence spans are patches of their own, or join the neighbouring word."""

    spans: Literal["word", "piece"] = "word"
    """Aligned patching: one patch for each word, or for each text piece of a word, whose frames are shared out evenly
    (the paper's BPE-aligned variant, Lu et al. 2025, A.7)."""

    boundaries: Literal["causal", "given"] = "causal"
    """``causal``: a patch may be used once its end is known from the past alone. ``given``: from its own last
    token, as in the reference code, which leaks where runs and words end."""


CUTS: dict[Cut, Callable[[TokenStream, PatchingConfig], Patches]] = {
    "none": lambda stream, config: static(stream, 1),
    "static": lambda stream, config: static(stream, config.size),
    "aligned": lambda stream, config: aligned(stream, merge_silence=config.silence == "merged"),
}


def patch(stream: TokenStream, config: PatchingConfig, cut: Cut) -> Patches:
    """Cut a stream into patches, under the configured rule for when a patch may be used."""
    patches = CUTS[cut](stream, config)
    if config.boundaries == "causal":
        return patches
    return Patches(opens_T=patches.opens_T, closes_T=np.append(patches.opens_T[1:], True))


def inference_cut(config: PatchingConfig) -> Cut:
    """Inference needs no aligner: static patches for every strategy that has patches."""
    return "none" if config.strategy == "none" else "static"


def aligned_probability(config: PatchingConfig, step: int, total_steps: int) -> float:
    """P(u): how likely a sequence of this step (counted from 0) is cut by alignment.

    The curriculum goes in thirds of the run: aligned, then mixed with a falling share, then static.
    """
    if config.strategy == "curriculum":
        begin, end = total_steps / 3, 2 * total_steps / 3
        return min(1.0, max(0.0, 1.0 - (step - begin) / (end - begin)))
    return {"none": 0.0, "static": 0.0, "aligned": 1.0, "mixed": 0.5}[config.strategy]


def drawn_cut(config: PatchingConfig, step: int, total_steps: int, draw: float) -> Cut:
    """The cut of one sequence, from a uniform draw in [0, 1)."""
    if config.strategy == "none":
        return "none"
    return "aligned" if draw < aligned_probability(config, step, total_steps) else "static"
