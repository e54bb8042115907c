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
    """Closed patches that a token of the decoder reaches in cross-attention."""
    encoder_cross_window: int | None = Field(default=None, ge=1, le=1 << 24)
    """Patches whose tokens a patch's queries reach in the encoder's cross-attention: 1 is the patch's own tokens only
    (Lu et al. 2025, A.2.1). None: as many as ``cross_window``, as in models made before this field."""
    text: Literal["local", "bypass"] = "local"
    """``local``: text tokens go through encoder and decoder as speech does. ``bypass``: from the embedding straight to
    the global transformer, and from there to the output layer; encoder and decoder see speech tokens only."""

    @property
    def pooled_patches(self) -> int:
        """Patches whose tokens a patch's queries reach in the encoder."""
        return self.cross_window if self.encoder_cross_window is None else self.encoder_cross_window


@config_dataclass
class BlockConfig:
    """Shape of a transformer layer where it is not the default one: what today's text models vary."""

    kv_heads: int | None = Field(default=None, ge=1, le=1 << 12)
    """Heads of keys and values, each shared by ``heads / kv_heads`` heads of queries (Ainslie et al. 2023). None: as
    many as heads."""
    head_dim: int | None = Field(default=None, ge=1, le=1 << 14)
    """Width of a head. None: the layer's width divided by its heads."""
    ffn_dim: int | None = Field(default=None, ge=1, le=1 << 19)
    """Inner width of SwiGLU. None: :func:`ffn_dim` of the layer's width."""
    norm_eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the mean square in every norm of the layer; the final norm of the model has the same."""
    qkv_bias: bool = False
    """Whether queries, keys and values have a bias, as in Qwen 2."""
    qk_norm: bool = False
    """Whether each head's queries and keys are normalised before rotation, as in Qwen 3."""


@config_dataclass
class RopeScaling:
    """How rotary frequencies are stretched for contexts longer than the ones first trained on."""

    kind: Literal["linear", "llama3", "yarn"]
    """``linear``: all frequencies divided by ``factor``; ``llama3``: low ones only (Llama 3.1); ``yarn``: a ramp
    between both, and hotter attention (Peng et al. 2023)."""
    factor: float = Field(gt=0, le=1e6)
    """How many times longer the contexts are."""
    original_positions: int = Field(default=8192, ge=1, le=1 << 24)
    """Context length before stretching; unused by ``linear``."""
    low: float = Field(default=1.0, gt=0, le=1e6)
    """``llama3``: turns within the original context below which a frequency is fully stretched; ``yarn``: its
    ``beta_slow``."""
    high: float = Field(default=4.0, gt=0, le=1e6)
    """``llama3``: turns above which a frequency is kept; ``yarn``: its ``beta_fast``."""
    attention_factor: float | None = Field(default=None, gt=0, le=1e3)
    """``yarn``: factor of cosines and sines. None: ``0.1 ln(factor) + 1``."""


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
    rope_scaling: RopeScaling | None = None
    """Stretching of the global transformer's rotary frequencies; none by default."""
    block: BlockConfig = Field(default_factory=BlockConfig)
    """Shape of the global transformer's layers where it is not the default one."""
    tied: bool = False
    """Whether embedding and output layer are one matrix."""
    local: LocalConfig | None = None
    """Patch encoder and decoder; only for ``lst``."""

    @property
    def queries(self) -> int:
        """k: queries of a patch, which together make one global vector."""
        return self.dim // self.local.dim if self.local is not None else 1

    @property
    def head_dim(self) -> int:
        """Width of a head of the global transformer."""
        return self.block.head_dim or self.dim // self.heads

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values of the global transformer."""
        return self.block.kv_heads or self.heads

    @property
    def ffn_dim(self) -> int:
        """Inner width of the global transformer's SwiGLU layers."""
        return self.block.ffn_dim or ffn_dim(self.dim)

    def check(self) -> ModelConfig:
        """Return the config, if its parts fit together.

        :raises UserError: names every part that does not fit.
        """
        problems = []
        if (self.family == "lst") != (self.local is not None):
            problems.append("family lst needs a section 'local', and family baseline has none")
        if self.block.head_dim is None and self.dim % self.heads:
            problems.append(f"dim {self.dim} must be a multiple of heads {self.heads}, or block.head_dim be set")
        elif self.head_dim < 2 or self.head_dim % 2:
            problems.append(f"the width of a head must be even: found {self.head_dim}")
        if self.kv_heads < 1 or self.heads % self.kv_heads:
            problems.append(f"heads {self.heads} must be a multiple of block.kv_heads {self.kv_heads}")
        if self.ffn_dim < 1 or self.block.norm_eps <= 0:
            problems.append("block.ffn_dim and block.norm_eps must be above 0")
        if self.rope_scaling is not None and self.rope_scaling.factor < 1:
            problems.append(f"rope_scaling.factor must be 1 or more: found {self.rope_scaling.factor}")
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
    return problems


def ffn_dim(dim: int) -> int:
    """Inner width of a SwiGLU layer: 8/3 of the width, up to the next multiple of 64 (256 for wide models)."""
    multiple = 256 if dim >= 1024 else 64
    return -(-dim * 8 // 3 // multiple) * multiple
