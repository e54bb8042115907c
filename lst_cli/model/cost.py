"""The cost of a model: parameters by module, and FLOPs by counting. Nothing is allocated.

A multiply-add counts as two FLOPs; norms, rotations and softmax are left out. Training is three forward passes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lst_cli.model.model import SpeechTextModel, build_model
from lst_cli.model.model_config import LocalConfig, ModelConfig, ffn_dim

_PROBED_LAYERS = 8
"""Deeper stacks are counted from this many layers: all layers of a stack have the same size."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A stretch of data as the model sees it."""

    positions: float
    """Positions of the global transformer."""
    tokens: float
    """Tokens; for a baseline the same number."""
    context: float
    """Positions in a document, on average, for the cost of attention."""
    text: float = 0.0
    """Text tokens and markers, a position each; they cost less where they bypass the local layers."""


def parameters(config: ModelConfig, vocabulary_size: int) -> dict[str, int]:
    """Number of parameters of each module; tied ones count once, in the first that has them."""
    depths = _depths(config)
    probed = [min(depth, _PROBED_LAYERS) for depth in depths]
    counts = _counts(_of_depths(config, probed), vocabulary_size)
    total = dict(counts)
    for at, depth in enumerate(depths):
        if depth > _PROBED_LAYERS:  # each further layer is like the last one
            shallower = [each - (place == at) for place, each in enumerate(probed)]
            less = _counts(_of_depths(config, shallower), vocabulary_size)
            for name in total:
                total[name] += (depth - _PROBED_LAYERS) * (counts[name] - less[name])
    return total


def _counts(config: ModelConfig, vocabulary_size: int) -> dict[str, int]:
    model = on_meta(config, vocabulary_size)
    counts = {name: 0 for name, _ in model.named_children()}
    for name, parameter in model.named_parameters():
        counts[name.partition(".")[0]] += parameter.numel()
    return counts


def _depths(config: ModelConfig) -> tuple[int, ...]:
    """Layers of the global transformer, the patch encoder and the patch decoder."""
    local = config.local
    return (config.layers,) if local is None else (config.layers, local.encoder_layers, local.decoder_layers)


def _of_depths(config: ModelConfig, depths: Sequence[int]) -> ModelConfig:
    local = config.local
    if local is not None:
        local = dataclasses.replace(local, encoder_layers=depths[1], decoder_layers=depths[2])
    return dataclasses.replace(config, layers=depths[0], local=local)


def on_meta(config: ModelConfig, vocabulary_size: int) -> SpeechTextModel:
    """The model without its weights; stacks are reduced to the probed layers."""
    config = _of_depths(config, [min(depth, _PROBED_LAYERS) for depth in _depths(config)])
    with torch.device("meta"):
        return build_model(config, vocabulary_size)


def forward_flops(config: ModelConfig, vocabulary_size: int, work: Workload) -> dict[str, float]:
    """FLOPs of one forward pass over some data, by module."""
    flops = {
        "global_transformer": work.positions * config.layers * _global_block(config, work.context / 2),
        "head": work.tokens * 2 * vocabulary_size * (config.local.dim if config.local else config.dim),
    }
    if config.local is not None:
        flops |= _local_flops(config, config.local, work)
    return flops


def train_flops(config: ModelConfig, vocabulary_size: int, work: Workload) -> float:
    """FLOPs of forward and backward pass."""
    return 3 * sum(forward_flops(config, vocabulary_size, work).values())


def _global_block(config: ModelConfig, keys: float) -> float:
    """One layer of the global transformer for one position that sees ``keys`` keys on average."""
    heads = config.head_dim * (2 * config.heads + 2 * config.kv_heads)
    return 2 * (config.dim * heads + 3 * config.dim * config.ffn_dim) + 4 * config.heads * config.head_dim * keys


def _block(dim: int, keys: float) -> float:
    """One transformer layer for one entry that sees ``keys`` keys on average."""
    return 2 * (4 * dim**2 + 3 * dim * ffn_dim(dim)) + 4 * dim * keys


def _local_flops(config: ModelConfig, local: LocalConfig, work: Workload) -> dict[str, float]:
    k, dim = config.queries, local.dim
    text = work.text if local.text == "bypass" else 0.0
    tokens, patches = work.tokens - text, work.positions - text
    per_patch = tokens / work.positions
    token_keys = min(local.window, work.context * per_patch / 2)
    patch_keys = min(local.cross_window, work.context / 2)
    pooled = min(local.pooled_patches, work.context / 2)
    block = tokens * _block(dim, token_keys)
    gather = patches * k * (4 * dim**2 + 4 * dim * pooled * per_patch) + tokens * 4 * dim**2
    spread = tokens * (4 * dim**2 + 4 * dim * patch_keys * k) + work.positions * k * 4 * dim**2
    start = patches * 2 * k * dim**2 if local.encoder_layers else 0.0
    flops = {
        "encoder": local.encoder_layers * (block + gather) + start,
        "decoder": local.decoder_layers * (block + spread),
    }
    if local.text == "bypass":
        flops |= dict.fromkeys(("text_in", "text_out"), text * 2 * dim * config.dim)
    return flops
