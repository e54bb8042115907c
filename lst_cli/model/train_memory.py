"""Memory of one GPU in training: states, gathered weights, activations, logits. Nothing is allocated.

Activations are counted tensor by tensor: what autograd keeps of each layer, which a test compares with what it keeps of
real models. A layer is counted with attention that recomputes its scores, as flex attention does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from lst_cli.model.cost import Workload, on_meta, parameters
from lst_cli.model.loss import CHUNK
from lst_cli.model.model_config import ModelConfig, ffn_dim

GIB = 2**30

STATE_BYTES = 4 + 4 + 8
"""Per parameter: float32 weight, float32 gradient, AdamW's two float32 moments."""

_LOGIT_BYTES = 2 + 4 + 4 + 2
"""Per logit of a chunk: the logit, its float32 copy, log-probability (then gradient), and the gradient cast back."""

_CROSS_EAGER = 14
"""Per entry and unit of width that cross-attention keeps, of queries and of memories: the norm's float32 input, its
normalised values and output, and queries with outputs or keys with values."""

_CROSS_COMPILED = 8

Layers = Literal["eager", "compiled", "checkpointed"]
"""How layers run. Compiled ones recompute cheap operations; checkpointed ones keep their inputs only."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memory of one GPU in training, in GiB, without the framework's own."""

    states: float
    """Weights, gradients and optimizer, sharded."""
    gathered: float
    """Weights in the precision of the forward pass. Sharded: embedding and output layer, one layer, and the one
    gathered ahead. Otherwise autocast's copies of all weights."""
    activations: float
    """Estimated activations for the backward pass."""
    logits: float
    """One chunk of logits, and the gradient of the output layer."""

    @property
    def total(self) -> float:
        """All of it."""
        return self.states + self.gathered + self.activations + self.logits


def memory(
    config: ModelConfig,
    vocabulary_size: int,
    work: Workload,
    shards: int,
    *,
    layers: Layers,
    float32: bool = False,
) -> Memory:
    """Memory of one GPU that holds 1/``shards`` of the states (FSDP2) and computes ``work`` in one micro-batch.

    :param float32: the precision of the forward pass, bfloat16 otherwise.
    """
    model = on_meta(config, vocabulary_size)
    sizes = [_size(layer) for stack in model.modules() if isinstance(stack, nn.ModuleList) for layer in stack]
    total = sum(parameters(config, vocabulary_size).values())
    if shards > 1:
        gathered = (4 if float32 else 2) * (_size(model) - sum(sizes) + 2 * max(sizes, default=0))
    else:
        gathered = 0 if float32 else 2 * total
    # Autocast leaves the residual stream in float32; bfloat16 weights, which FSDP gathers, don't.
    residual = 4 if float32 or shards == 1 else 2
    width = config.local.dim if config.local else config.dim
    activations = activation_bytes(config, work, layers, residual) * (2 if float32 else 1)
    logits = _LOGIT_BYTES * min(work.tokens, CHUNK) + 4 * width
    return Memory(
        states=total * STATE_BYTES / shards / GIB,
        gathered=gathered / GIB,
        activations=activations / GIB,
        logits=logits * vocabulary_size / GIB,
    )


def activation_bytes(config: ModelConfig, work: Workload, layers: Layers, residual: int = 2) -> float:
    """Bytes that the backward pass of one micro-batch keeps, in bfloat16.

    :param residual: bytes of a value of the residual stream, which a checkpointed layer keeps.
    """
    heads, kv = config.heads * config.head_dim, config.kv_heads * config.head_dim
    block = work.positions * _block_bytes(config.dim, heads, kv, config.ffn_dim, layers)
    # Layers of each stack, entries times width, and bytes that one layer keeps.
    stacks = [(config.layers, work.positions * config.dim, block)]
    if config.local is not None:
        dim, text = config.local.dim, work.text if config.local.text == "bypass" else 0.0
        tokens, patches = work.tokens - text, work.positions - text
        queries = patches * config.queries
        block = tokens * _block_bytes(dim, dim, dim, ffn_dim(dim), layers)
        both = config.local.encoder_layers + config.local.decoder_layers
        stacks.append((both, tokens * dim, block))
        # The encoder's queries read tokens; the decoder's tokens read positions.
        cross = _CROSS_COMPILED if layers == "compiled" else _CROSS_EAGER
        stacks.append((config.local.encoder_layers, queries * dim, (queries + tokens) * dim * cross))
        memories = work.positions * config.queries
        stacks.append((config.local.decoder_layers, tokens * dim, (tokens + memories) * dim * cross))
    if layers == "checkpointed":
        # The inputs of all layers, and all of the layer that is being recomputed.
        return sum(n * entries * residual for n, entries, _ in stacks) + max(kept for n, _, kept in stacks if n)
    return sum(n * kept for n, _, kept in stacks)


def _block_bytes(dim: int, heads: int, kv: int, ffn: int, layers: Layers) -> int:
    """Bytes that a transformer layer keeps per entry.

    :param heads: width of all heads of queries.
    :param kv: width of all heads of keys.
    """
    qkv = 2 * (heads + 2 * kv)
    rotated = 2 * (heads + kv)
    if layers == "compiled":
        return 8 * dim + 2 * heads + qkv + 6 * ffn
    # Of both norms the float32 input, its normalised values, and the output.
    norms = 2 * (4 + 4 + 2) * dim
    # Gate and up, the gate's activation, and their product.
    return norms + qkv + rotated + 2 * heads + 2 * 4 * ffn


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
