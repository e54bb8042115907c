"""The patch encoder: from token states to one global vector per patch (Lu et al. 2025, section 3).

Each layer is causal sliding-window self-attention of tokens, then cross-attention in which the queries of each patch
gather from the tokens. The queries start from the mean of the patch's token states. The ``k`` queries of a patch,
laid side by side, are its global vector.

Shape legend: T tokens, P positions, L local width, Q = P * k queries, D = k * L global width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lst_cli.model.layers import Attend, Block, CrossAttention, linear, rotary
from lst_cli.model.model_config import LocalConfig


class PatchEncoder(nn.Module):
    """Token embeddings to token states and patch vectors. Without layers a patch is the mean of its embeddings."""

    def __init__(self, local: LocalConfig, queries: int, rope_theta: float) -> None:
        super().__init__()
        depth = local.encoder_layers
        self.queries = queries
        self.head_width = local.dim // local.heads
        self.theta = rope_theta
        self.layers = nn.ModuleList(Block(local.dim, local.heads, depth) for _ in range(depth))
        self.crosses = nn.ModuleList(CrossAttention(local.dim, local.heads, depth) for _ in range(depth))
        self.query = linear(local.dim, queries * local.dim) if depth else None

    def token_states(self, x_TL: Tensor, position_T: Tensor, attends: Sequence[Attend]) -> list[Tensor]:
        """Token embeddings (T, L) to the token states (T, L) of each layer; the embeddings where there is none."""
        table = rotary(position_T, self.head_width, self.theta, x_TL.dtype)
        states = []
        for layer, attend_over in zip(self.layers, attends, strict=True):
            x_TL = layer(x_TL, table, attend_over)
            states.append(x_TL)
        return states or [x_TL]

    def patches(self, mean_PL: Tensor, states: Sequence[Tensor], attends: Sequence[Attend]) -> Tensor:
        """The vectors (P, D) of patches, from the mean of their first-layer token states and all layers' states."""
        if self.query is None:
            return mean_PL
        q_QL = self.query(mean_PL).unflatten(-1, (self.queries, -1)).flatten(0, 1)
        for cross, state_TL, attend_over in zip(self.crosses, states, attends, strict=True):
            q_QL = cross(q_QL, state_TL, attend_over)
        out_PD: Tensor = q_QL.unflatten(0, (-1, self.queries)).flatten(1)
        return out_PD

    def forward(
        self,
        x_TL: Tensor,
        patch_T: Tensor,
        position_T: Tensor,
        positions: int,
        attend_tokens: Sequence[Attend],
        attend_cross: Sequence[Attend],
    ) -> tuple[Tensor, Tensor]:
        """Token embeddings (T, L) to token states (T, L) and patch vectors (P, D)."""
        states = self.token_states(x_TL, position_T, attend_tokens)
        return states[-1], self.patches(mean_of_patches(states[0], patch_T, positions), states, attend_cross)


def mean_of_patches(x_TL: Tensor, patch_T: Tensor, positions: int) -> Tensor:
    """Mean token state (P, L) of each patch; tokens of patch ``positions`` are padding, an empty patch is zero."""
    sum_PL = x_TL.new_zeros(positions + 1, x_TL.shape[1]).index_add(0, patch_T, x_TL)
    count_P = x_TL.new_zeros(positions + 1).index_add(0, patch_T, torch.ones_like(x_TL[:, 0]))
    return sum_PL[:positions] / count_P[:positions, None].clamp(min=1)
