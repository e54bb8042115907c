"""Matrix products as fast as the machine has them.

Legend: T rows, M inputs, N outputs.

On a CPU in float32 torch's own ``linear`` calls MKL, which on AMD machines is some 15% behind oneDNN; torch brings
oneDNN too, with bias and GELU in the same pass, and reaches it by the operators that its compiler uses. Elsewhere this
is plain ``linear``. The two differ by rounding alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_PACK_ROWS = 1024
"""Rows that the packed weights are laid out for; any number works."""


class Dense:
    """A linear layer, optionally followed by the exact GELU. Makes no gradient.

    :param weight_NM: as torch's ``Linear`` has it.
    """

    def __init__(self, weight_NM: Tensor, bias_N: Tensor | None = None, *, gelu: bool = False) -> None:
        self._weight_NM: Tensor | None = weight_NM.detach()
        self._bias_N = None if bias_N is None else bias_N.detach()
        self._gelu = gelu
        self.inputs: int = weight_NM.shape[1]
        """M."""
        self._packed: Tensor | None = None
        if weight_NM.device.type == "cpu" and weight_NM.dtype == torch.float32 and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight_NM.detach().contiguous(), _PACK_ROWS)
            self._weight_NM = None  # one copy is enough

    def __call__(self, x_TM: Tensor, add_TN: Tensor | None = None) -> Tensor:
        """Outputs [T, N], plus ``add_TN`` if given (then without GELU)."""
        if self._packed is not None:
            if add_TN is not None:
                summed_TN: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
                    x_TM, add_TN, self._packed, self._bias_N, "add"
                )
                return summed_TN
            attribute, algorithm = ("gelu", "none") if self._gelu else ("none", "")
            out_TN: Tensor = torch.ops.mkldnn._linear_pointwise(
                x_TM, self._packed, self._bias_N, attribute, [], algorithm
            )
            return out_TN
        assert self._weight_NM is not None
        plain_TN = F.linear(x_TM, self._weight_NM, self._bias_N)
        if add_TN is not None:
            return plain_TN + add_TN
        return F.gelu(plain_TN) if self._gelu else plain_TN
