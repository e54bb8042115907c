"""The layers that all modules share: RMSNorm, rotary positions, attention and SwiGLU blocks.

Initialisation: weights from a truncated normal of standard deviation ``fan_in ** -0.5``, and projections that add
to the residual stream scaled down by ``(2 * layers) ** -0.5`` more (Radford et al. 2019, section 2.3).

Shape legend: T tokens (or any rows), S keys, D width, H heads, K heads of keys and values, E width of a head, F inner
width of SwiGLU.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from lst_cli.model.attention import Spans, attend
from lst_cli.model.model_config import BlockConfig, RopeScaling, ffn_dim
from lst_cli.model.rope_scaling import stretched

_DEFAULT = BlockConfig()

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From queries (T, H, E) and new keys and values (S, K, E) to outputs (T, H, E). Training passes the spans of the
batch; decoding passes a cache that first takes in the new keys and values."""


def over(spans: Spans) -> Attend:
    """Attention over the given spans."""
    return lambda q_THE, k_SHE, v_SHE: attend(q_THE, k_SHE, v_SHE, spans)


def linear(inputs: int, outputs: int, *, residual_layers: int | None = None, bias: bool = False) -> nn.Linear:
    """A linear layer; ``residual_layers`` is given where it adds to a residual stream of that depth."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    if bias:
        nn.init.zeros_(layer.bias)
    std = inputs**-0.5
    if residual_layers is not None:
        std *= (2 * residual_layers) ** -0.5
    nn.init.trunc_normal_(layer.weight, std=std, a=-3 * std, b=3 * std)
    return layer


def norm(dim: int, eps: float = _DEFAULT.norm_eps) -> nn.RMSNorm:
    """Root-mean-square normalisation."""
    return nn.RMSNorm(dim, eps=eps)


def frequencies(
    width: int, theta: float, scaling: RopeScaling | None = None, device: torch.device | None = None
) -> tuple[Tensor, float]:
    """Rotary frequencies (E/2) of a head, in float32, and the factor of the cosines and sines made with them."""
    frequency_E = theta ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    return (frequency_E, 1.0) if scaling is None else stretched(frequency_E, theta, scaling)


class RotaryTable:
    """Cosines and sines (T, 1, E/2) of rotary position embedding (Su et al. 2021), in at least float32.

    No tuple or dataclass: FSDP would cast the tensors in them to the type of a layer's weights.
    """

    def __init__(self, cos_T1E: Tensor, sin_T1E: Tensor) -> None:
        self.cos_T1E = cos_T1E
        self.sin_T1E = sin_T1E


def rotary(
    position_T: Tensor, width: int, theta: float, dtype: torch.dtype, scaling: RopeScaling | None = None
) -> RotaryTable:
    """The table of these positions."""
    frequency_E, size = frequencies(width, theta, scaling, position_T.device)
    angle_T1E = position_T.float()[:, None, None] * frequency_E
    dtype = torch.promote_types(dtype, torch.float32)
    return RotaryTable((angle_T1E.cos() * size).to(dtype), (angle_T1E.sin() * size).to(dtype))


def rotate(x_THE: Tensor, table: RotaryTable) -> Tensor:
    """Turn each pair of features (first half with second half) by its position's angle."""
    cos_T1E, sin_T1E = table.cos_T1E, table.sin_T1E
    first, second = x_THE.chunk(2, dim=-1)
    turned = torch.cat((first * cos_T1E - second * sin_T1E, second * cos_T1E + first * sin_T1E), dim=-1)
    return turned.to(x_THE.dtype)


class SwiGLU(nn.Module):
    """Gated feed-forward layer (Shazeer 2020)."""

    def __init__(self, dim: int, layers: int, inner: int) -> None:
        super().__init__()
        self.gate_up = linear(dim, 2 * inner)
        self.down = linear(inner, dim, residual_layers=layers)

    def forward(self, x_TD: Tensor) -> Tensor:
        """(T, D) to (T, D)."""
        gate_TF, up_TF = self.gate_up(x_TD).chunk(2, dim=-1)
        out: Tensor = self.down(silu(gate_TF) * up_TF)
        return out


class SelfAttention(nn.Module):
    """Multi-head or grouped-query self-attention with rotary positions."""

    def __init__(self, dim: int, heads: int, layers: int, block: BlockConfig) -> None:
        super().__init__()
        self.heads = heads
        self.kv_heads = block.kv_heads or heads
        width = block.head_dim or dim // heads
        self.qkv = linear(dim, (heads + 2 * self.kv_heads) * width, bias=block.qkv_bias)
        self.q_norm = norm(width, block.norm_eps) if block.qk_norm else None
        self.k_norm = norm(width, block.norm_eps) if block.qk_norm else None
        self.out = linear(heads * width, dim, residual_layers=layers)

    def forward(self, x_TD: Tensor, table: RotaryTable, attend_over: Attend) -> Tensor:
        """(T, D) to (T, D)."""
        heads_THE = self.qkv(x_TD).unflatten(-1, (self.heads + 2 * self.kv_heads, -1))
        q_THE, k_TKE, v_TKE = heads_THE.split((self.heads, self.kv_heads, self.kv_heads), dim=1)
        if self.q_norm is not None and self.k_norm is not None:
            q_THE, k_TKE = self.q_norm(q_THE), self.k_norm(k_TKE)
        o_THE = attend_over(rotate(q_THE, table), rotate(k_TKE, table), v_TKE)
        out: Tensor = self.out(o_THE.flatten(1))
        return out


class CrossAttention(nn.Module):
    """Multi-head attention of one sequence's states to another's, with both normalised first."""

    def __init__(self, dim: int, heads: int, layers: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = norm(dim)
        self.memory_norm = norm(dim)
        self.q = linear(dim, dim)
        self.kv = linear(dim, 2 * dim)
        self.out = linear(dim, dim, residual_layers=layers)

    def forward(self, x_TD: Tensor, memory_SD: Tensor, attend_over: Attend) -> Tensor:
        """(T, D) states that query (S, D) states; the result is added to them."""
        q_THE = self.q(self.norm(x_TD)).unflatten(-1, (self.heads, -1))
        k_SHE, v_SHE = self.kv(self.memory_norm(memory_SD)).unflatten(-1, (2, self.heads, -1)).unbind(1)
        out_TD: Tensor = x_TD + self.out(attend_over(q_THE, k_SHE, v_SHE).flatten(1))
        return out_TD


class Block(nn.Module):
    """One pre-norm transformer layer: self-attention, then SwiGLU."""

    def __init__(self, dim: int, heads: int, layers: int, block: BlockConfig = _DEFAULT) -> None:
        super().__init__()
        self.attention_norm = norm(dim, block.norm_eps)
        self.attention = SelfAttention(dim, heads, layers, block)
        self.ffn_norm = norm(dim, block.norm_eps)
        self.ffn = SwiGLU(dim, layers, block.ffn_dim or ffn_dim(dim))

    def forward(self, x_TD: Tensor, table: RotaryTable, attend_over: Attend) -> Tensor:
        """(T, D) to (T, D)."""
        x_TD = x_TD + self.attention(self.attention_norm(x_TD), table, attend_over)
        out_TD: Tensor = x_TD + self.ffn(self.ffn_norm(x_TD))
        return out_TD
