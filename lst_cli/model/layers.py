"""The layers that all modules share: RMSNorm, rotary positions, attention and SwiGLU blocks.

Initialisation: weights from a truncated normal of standard deviation ``fan_in ** -0.5``, and projections that add
to the residual stream scaled down by ``(2 * layers) ** -0.5`` more (Radford et al. 2019, section 2.3).

Shape legend: T tokens (or any rows), S keys, D width, H heads, E width of a head, F inner width of SwiGLU.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from lst_cli.model.attention import Spans, attend
from lst_cli.model.model_config import ffn_dim

NORM_EPS = 1e-5

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From queries (T, H, E) and new keys and values (S, H, E) to outputs (T, H, E). Training passes the spans of the
batch; decoding passes a cache that first takes in the new keys and values."""


def over(spans: Spans) -> Attend:
    """Attention over the given spans."""
    return lambda q_THE, k_SHE, v_SHE: attend(q_THE, k_SHE, v_SHE, spans)


def linear(inputs: int, outputs: int, *, residual_layers: int | None = None) -> nn.Linear:
    """A bias-free linear layer; ``residual_layers`` is given where it adds to a residual stream of that depth."""
    layer = nn.Linear(inputs, outputs, bias=False)
    std = inputs**-0.5
    if residual_layers is not None:
        std *= (2 * residual_layers) ** -0.5
    nn.init.trunc_normal_(layer.weight, std=std, a=-3 * std, b=3 * std)
    return layer


def norm(dim: int) -> nn.RMSNorm:
    """Root-mean-square normalisation, with the same epsilon everywhere."""
    return nn.RMSNorm(dim, eps=NORM_EPS)


def rotary(position_T: Tensor, width: int, theta: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine tables (T, 1, E/2) of rotary position embedding (Su et al. 2021), in at least float32."""
    frequency_E = theta ** (-torch.arange(0, width, 2, device=position_T.device, dtype=torch.float32) / width)
    angle_T1E = position_T.float()[:, None, None] * frequency_E
    dtype = torch.promote_types(dtype, torch.float32)
    return angle_T1E.cos().to(dtype), angle_T1E.sin().to(dtype)


def rotate(x_THE: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of features (first half with second half) by its position's angle."""
    cos_T1E, sin_T1E = table
    first, second = x_THE.chunk(2, dim=-1)
    turned = torch.cat((first * cos_T1E - second * sin_T1E, second * cos_T1E + first * sin_T1E), dim=-1)
    return turned.to(x_THE.dtype)


class SwiGLU(nn.Module):
    """Gated feed-forward layer (Shazeer 2020)."""

    def __init__(self, dim: int, layers: int) -> None:
        super().__init__()
        inner = ffn_dim(dim)
        self.gate_up = linear(dim, 2 * inner)
        self.down = linear(inner, dim, residual_layers=layers)

    def forward(self, x_TD: Tensor) -> Tensor:
        """(T, D) to (T, D)."""
        gate_TF, up_TF = self.gate_up(x_TD).chunk(2, dim=-1)
        out: Tensor = self.down(silu(gate_TF) * up_TF)
        return out


class SelfAttention(nn.Module):
    """Multi-head self-attention with rotary positions."""

    def __init__(self, dim: int, heads: int, layers: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = linear(dim, 3 * dim)
        self.out = linear(dim, dim, residual_layers=layers)

    def forward(self, x_TD: Tensor, table: tuple[Tensor, Tensor], attend_over: Attend) -> Tensor:
        """(T, D) to (T, D)."""
        q_THE, k_THE, v_THE = self.qkv(x_TD).unflatten(-1, (3, self.heads, -1)).unbind(1)
        o_THE = attend_over(rotate(q_THE, table), rotate(k_THE, table), v_THE)
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
        """(T, D) states that query (S, D) states; what is learnt is added to them."""
        q_THE = self.q(self.norm(x_TD)).unflatten(-1, (self.heads, -1))
        k_SHE, v_SHE = self.kv(self.memory_norm(memory_SD)).unflatten(-1, (2, self.heads, -1)).unbind(1)
        out_TD: Tensor = x_TD + self.out(attend_over(q_THE, k_SHE, v_SHE).flatten(1))
        return out_TD


class Block(nn.Module):
    """One pre-norm transformer layer: self-attention, then SwiGLU."""

    def __init__(self, dim: int, heads: int, layers: int) -> None:
        super().__init__()
        self.attention_norm = norm(dim)
        self.attention = SelfAttention(dim, heads, layers)
        self.ffn_norm = norm(dim)
        self.ffn = SwiGLU(dim, layers)

    def forward(self, x_TD: Tensor, table: tuple[Tensor, Tensor], attend_over: Attend) -> Tensor:
        """(T, D) to (T, D)."""
        x_TD = x_TD + self.attention(self.attention_norm(x_TD), table, attend_over)
        out_TD: Tensor = x_TD + self.ffn(self.ffn_norm(x_TD))
        return out_TD
