"""The registered patching strategies, and which one a training step uses (Lu et al. 2025, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.patching.aligned import aligned
from lst_cli.patching.entropy import Entropy
from lst_cli.patching.hazard import Hazard
from lst_cli.patching.random_lengths import RandomLengths
from lst_cli.patching.static import Static
from lst_cli.patching.stream import Patches, Rule, TokenStream

Cut = Literal["none", "static", "aligned", "random", "hazard", "entropy"]
"""A way to cut one stream."""

FITTED: dict[str, type[Hazard] | type[Entropy]] = {"hazard": Hazard, "entropy": Entropy}
"""Strategies whose rule is learnt from data, and the rule's class."""


@config_dataclass
class PatchingConfig:
    """How speech tokens are grouped into patches."""

    strategy: Literal["none", "static", "aligned", "mixed", "curriculum", "random", "hazard", "entropy"] = "static"
    """``none``: every token is a position (the baseline). ``mixed`` and ``curriculum`` draw ``static`` or
    ``aligned`` for each packed sequence. ``random`` draws lengths. ``hazard`` and ``entropy`` use a fitted
    rule: ``--patching-rule``."""

    size: int = Field(default=4, ge=1, le=10_000)
    """Tokens in a full static patch, and in a random patch on average. Inference uses static patches after training
    with ``aligned``, ``mixed`` or ``curriculum`` ones."""

    silence: Literal["separate", "merged"] = "separate"
    """Aligned patching: silence spans are separate patches, or join the neighbouring word."""

    spans: Literal["word", "piece"] = "word"
    """Aligned patching: one patch for each word, or for each text token of a word (the paper's BPE-aligned variant,
    Lu et al. 2025, A.7); ``piece`` needs an alignment that knows where characters begin, as by ``lst align run``."""

    boundaries: Literal["causal", "given"] = "causal"
    """``causal``: a patch may be used once its end is known from the past alone. ``given``: from its own last
    token, as in the reference code, which leaks where runs and words end."""


@dataclass(frozen=True)
class Patcher:
    """A config, and the rule that was fitted for it where its strategy has one."""

    config: PatchingConfig
    fitted: Rule | None = None

    def rule(self, cut: Cut) -> Rule:
        """The rule that patches streams without an alignment.

        :raises ValueError: there is no such rule, or none was fitted.
        """
        rule = RULES[cut](self) if cut in RULES else None
        if rule is None:
            raise ValueError(f"no rule to cut {cut} patches")
        return rule

    def patch(self, stream: TokenStream, cut: Cut) -> Patches:
        """Cut a stream into patches, under the configured rule for when a patch may be used."""
        if cut == "aligned":
            patches = aligned(stream, merge_silence=self.config.silence == "merged")
        else:
            patches = self.rule(cut).patch(stream)
        if self.config.boundaries == "causal":
            return patches
        return Patches(opens_T=patches.opens_T, closes_T=np.append(patches.opens_T[1:], True))


RULES: dict[Cut, Callable[[Patcher], Rule | None]] = {
    "none": lambda patcher: Static(1),
    "static": lambda patcher: Static(patcher.config.size),
    "random": lambda patcher: RandomLengths(patcher.config.size),
    "hazard": lambda patcher: patcher.fitted,
    "entropy": lambda patcher: patcher.fitted,
}


def inference_cut(config: PatchingConfig) -> Cut:
    """How inference cuts: by the strategy's own rule, or where that needs an aligner, into static patches."""
    return config.strategy if config.strategy in RULES else "static"


def aligned_probability(config: PatchingConfig, step: int, total_steps: int) -> float:
    """P(u): how likely a sequence of this step (counted from 0) gets aligned patches.

    The curriculum has three phases of equal length: aligned, then mixed with a falling share, then static.
    """
    if config.strategy == "curriculum":
        begin, end = total_steps / 3, 2 * total_steps / 3
        return min(1.0, max(0.0, 1.0 - (step - begin) / (end - begin)))
    return {"aligned": 1.0, "mixed": 0.5}.get(config.strategy, 0.0)


def drawn_cut(config: PatchingConfig, step: int, total_steps: int, draw: float) -> Cut:
    """The cut of one sequence, from a uniform draw in [0, 1)."""
    return "aligned" if draw < aligned_probability(config, step, total_steps) else inference_cut(config)
