"""The shape of a model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.errors import UserError


@config_dataclass
class LocalConfig:
    """The patch encoder and patch decoder (Lu et al. 2025, section 3 and Table 7)."""

    dim: int = Field(ge=1, le=1 << 17)
    """Width of token states; the global width must be a multiple of it."""
    heads: int = Field(ge=1, le=1 << 12)
    """Attention heads, in self- and cross-attention."""
    encoder_layers: int = Field(ge=0, le=1000)
    """Layers of the patch encoder."""
    decoder_layers: int = Field(ge=0, le=1000)
    """Layers of the patch decoder."""
    window: int = Field(default=512, ge=1, le=1 << 24)
    """Tokens that a token sees in self-attention, itself included."""
    cross_window: int = Field(default=512, ge=1, le=1 << 24)
    """Patches that cross-attention reaches: 1 is the own patch (encoder) or the last closed one (decoder) only."""
    text: Literal["local", "bypass"] = "local"
    """``local``: text tokens go through encoder and decoder as speech does. ``bypass``: from the embedding straight to
    the global transformer, and from there to the output layer; encoder and decoder see speech tokens only."""


@config_dataclass
class ModelConfig:
    """A model without its vocabulary, which is given by tokenizer and quantizer."""

    family: Literal["lst", "baseline"]
    """``lst`` groups speech tokens into patches; ``baseline`` puts every token through the global transformer."""
    layers: int = Field(ge=0, le=1000)
    """Layers of the global transformer."""
    dim: int = Field(ge=1, le=1 << 17)
    """Width of the global transformer."""
    heads: int = Field(ge=1, le=1 << 12)
    """Attention heads of the global transformer."""
    rope_theta: float = Field(default=500_000.0, gt=0, le=1e12)
    """Base of the rotary position embedding."""
    local: LocalConfig | None = None
    """Patch encoder and decoder; only for ``lst``."""

    @property
    def queries(self) -> int:
        """k: queries of a patch, which together make one global vector."""
        return self.dim // self.local.dim if self.local is not None else 1

    def check(self) -> ModelConfig:
        """Return the config, if its parts fit together.

        :raises UserError: names every part that does not fit.
        """
        problems = []
        if (self.family == "lst") != (self.local is not None):
            problems.append("family lst needs a section 'local', and family baseline has none")
        if self.dim % self.heads or (self.dim // self.heads) % 2:
            problems.append(f"dim {self.dim} must be a multiple of heads {self.heads}, with an even quotient")
        if self.local is not None:
            problems += _local_problems(self, self.local)
        if problems:
            raise UserError("model: the config does not fit together", found="; ".join(problems))
        return self


def _local_problems(config: ModelConfig, local: LocalConfig) -> list[str]:
    problems = []
    if config.dim % local.dim:
        problems.append(f"dim {config.dim} must be a multiple of local.dim {local.dim}")
    if local.dim % local.heads or (local.dim // local.heads) % 2:
        problems.append(f"local.dim {local.dim} must be a multiple of local.heads {local.heads}, with an even quotient")
    if 0 in (local.encoder_layers, local.decoder_layers) and local.dim != config.dim:
        problems.append("a model without encoder or decoder layers needs local.dim = dim")
    if local.text == "bypass" and 0 in (local.encoder_layers, local.decoder_layers):
        problems.append("local.text: bypass needs encoder and decoder layers to go round")
    if local.window < 1 or local.cross_window < 1:
        problems.append("local.window and local.cross_window must be 1 or more")
    return problems


def ffn_dim(dim: int) -> int:
    """Inner width of a SwiGLU layer: 8/3 of the width, up to the next multiple of 64 (256 for wide models)."""
    multiple = 256 if dim >= 1024 else 64
    return -(-dim * 8 // 3 // multiple) * multiple
