"""The patch decoder: from global outputs back to token states (Lu et al. 2025, section 3).

Each layer is a cross-attention, in which token states query the outputs of the patches that are already closed,
and a transformer layer with causal sliding-window self-attention. A global output is ``k`` keys of local width.

Shape legend: T tokens, P positions, L local width, D = k * L global width, S = P * k keys.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lst_cli.model.layers import Attend, Block, CrossAttention, rotary
from lst_cli.model.model_config import LocalConfig


class PatchDecoder(nn.Module):
    """Token states and global outputs to token states. Without layers a token takes its last closed patch's output."""

    def __init__(self, local: LocalConfig, queries: int, rope_theta: float) -> None:
        super().__init__()
        depth = local.decoder_layers
        self.queries = queries
        self.head_width = local.dim // local.heads
        self.theta = rope_theta
        self.crosses = nn.ModuleList(CrossAttention(local.dim, local.heads, depth) for _ in range(depth))
        self.layers = nn.ModuleList(Block(local.dim, local.heads, depth) for _ in range(depth))

    def forward(
        self,
        x_TL: Tensor,
        global_PD: Tensor,
        position_T: Tensor,
        last_closed_T: Tensor,
        attend_cross: Sequence[Attend],
        attend_tokens: Sequence[Attend],
    ) -> Tensor:
        """(T, L) token states and (P, D) global outputs to (T, L)."""
        if not self.layers:
            return global_PD[last_closed_T.clamp(min=0)] * (last_closed_T >= 0)[:, None]
        memory_SL = global_PD.reshape(-1, x_TL.shape[1])
        table = rotary(position_T, self.head_width, self.theta, x_TL.dtype)
        for cross, layer, over_patches, over_tokens in zip(
            self.crosses, self.layers, attend_cross, attend_tokens, strict=True
        ):
            x_TL = layer(cross(x_TL, memory_SL, over_patches), table, over_tokens)
        return x_TL
