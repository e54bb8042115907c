"""The global transformer: a block-causal decoder over positions (Lu et al. 2025, section 3).

Shape legend: P positions, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lst_cli.model.layers import Attend, Block, rotary
from lst_cli.model.model_config import ModelConfig


class GlobalTransformer(nn.Module):
    """Pre-norm transformer layers. A position sees the positions before it in its document, and itself."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_width = config.head_dim
        self.theta = config.rope_theta
        self.scaling = config.rope_scaling
        self.layers = nn.ModuleList(
            Block(config.dim, config.heads, config.layers, config.block) for _ in range(config.layers)
        )

    def forward(self, x_PD: Tensor, position_P: Tensor, attends: Sequence[Attend]) -> Tensor:
        """(P, D) to (P, D); ``attends`` holds one attention for each layer."""
        table = rotary(position_P, self.head_width, self.theta, x_PD.dtype, self.scaling)
        for layer, attend_over in zip(self.layers, attends, strict=True):
            x_PD = layer(x_PD, table, attend_over)
        return x_PD
