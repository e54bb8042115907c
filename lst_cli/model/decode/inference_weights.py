"""Packed weights for inference: on a CPU, decoding is bound by reading weights, which oneDNN does faster."""

from __future__ import annotations

from torch import Tensor, nn

from lst_cli.dense import Dense


class PackedLinear(nn.Module):
    """A linear layer without gradients."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self._dense = Dense(layer.weight, layer.bias)

    def forward(self, x_TM: Tensor) -> Tensor:
        """(T, inputs) to (T, outputs)."""
        return self._dense(x_TM)


def pack(model: nn.Module) -> None:
    """Replace a model's linear layers, for inference alone: they can no longer be saved or trained."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, PackedLinear(child))
