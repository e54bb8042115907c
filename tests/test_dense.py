"""A dense layer gives what torch's own gives, on every path it takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lst_cli.dense import Dense


def layer(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs [7, 24], weight [16, 24] and bias [16]."""
    random = torch.Generator().manual_seed(0)
    x_TM, weight_NM, bias_N = (torch.randn(*shape, generator=random) for shape in ((7, 24), (16, 24), (16,)))
    return x_TM.to(dtype), weight_NM.to(dtype), bias_N.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_equals_a_linear_layer(dtype: torch.dtype) -> None:
    x_TM, weight_NM, bias_N = layer(dtype)
    expected = F.linear(x_TM.float(), weight_NM.float(), bias_N.float())
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 2e-2, "atol": 1e-1}
    torch.testing.assert_close(Dense(weight_NM, bias_N)(x_TM).float(), expected, **tolerance)
    torch.testing.assert_close(Dense(weight_NM, bias_N, gelu=True)(x_TM).float(), F.gelu(expected), **tolerance)
    added = torch.ones_like(expected, dtype=dtype)
    torch.testing.assert_close(Dense(weight_NM)(x_TM, added).float(), expected - bias_N.float() + 1, **tolerance)


@torch.inference_mode()
def test_reads_overlapping_views() -> None:
    # The convolutions hand in views whose rows overlap in memory.
    x_T = torch.arange(64.0)
    view_TM = x_T.as_strided((10, 24), (4, 1), 3)
    _, weight_NM, bias_N = layer()
    expected = F.linear(view_TM.clone(), weight_NM, bias_N)
    torch.testing.assert_close(Dense(weight_NM, bias_N)(view_TM), expected, rtol=1e-5, atol=1e-3)
