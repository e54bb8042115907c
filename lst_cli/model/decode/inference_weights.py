"""Weights laid out for inference: on a CPU a token costs what reading weights costs, and oneDNN reads them faster."""

from __future__ import annotations

from torch import Tensor, nn

from lst_cli.dense import Dense


class PackedLinear(nn.Module):
    """A linear layer that makes no gradient."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self._dense = Dense(layer.weight, layer.bias)

    def forward(self, x_TM: Tensor) -> Tensor:
        """(T, inputs) to (T, outputs)."""
        return self._dense(x_TM)


def pack(model: nn.Module) -> None:
    """Replace a model's linear layers, for inference alone: it has no weights there any more to save or to train."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, PackedLinear(child))
