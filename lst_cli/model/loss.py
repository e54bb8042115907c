"""Next-token loss without a full tensor of logits.

Shape legend: T tokens, C tokens of a chunk, L width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lst_cli.patching.packed import IGNORE

CHUNK = 2048
"""Tokens whose logits exist at one time."""


@dataclass(frozen=True)
class TokenLoss:
    """Loss of one batch."""

    total: Tensor
    """Sum of negative log-likelihood over all targets, in nats; this is what is differentiated."""
    nll_T: Tensor
    """Negative log-likelihood of each target, 0 where ignored; without gradient."""
    correct_T: Tensor
    """Whether the likeliest token is the target; False where ignored."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Takes the gradients in the forward pass, chunk by chunk, so that no chunk's logits are kept."""

    @staticmethod
    def forward(
        ctx: Any, x_TL: Tensor, weight_VL: Tensor, targets_T: Tensor, needs_grad: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        grad_x_TL = torch.empty_like(x_TL) if needs_grad else None
        # Chunks add up in float32, whatever the weights' type.
        sum_dtype = torch.promote_types(weight_VL.dtype, torch.float32)
        grad_weight_VL = torch.zeros_like(weight_VL, dtype=sum_dtype) if needs_grad else None
        nlls, corrects = [], []
        for start in range(0, x_TL.shape[0], CHUNK):
            rows = slice(start, start + CHUNK)
            x_CL, target_C = x_TL[rows], targets_T[rows]
            log_p_CV = log_probabilities(x_CL @ weight_VL.T)
            counts_C = target_C != IGNORE
            index_C1 = target_C.clamp(min=0)[:, None]
            nlls.append(-log_p_CV.gather(1, index_C1)[:, 0] * counts_C)
            corrects.append((log_p_CV.argmax(1) == target_C) & counts_C)
            if grad_x_TL is not None and grad_weight_VL is not None:
                grad_CV = log_p_CV.exp_()
                grad_CV.scatter_add_(1, index_C1, torch.full_like(index_C1, -1, dtype=grad_CV.dtype))
                grad_CV = (grad_CV * counts_C[:, None]).to(x_TL.dtype)
                grad_x_TL[rows] = grad_CV @ weight_VL
                grad_weight_VL += grad_CV.T @ x_CL
        if grad_x_TL is not None and grad_weight_VL is not None:
            ctx.save_for_backward(grad_x_TL, grad_weight_VL.to(weight_VL.dtype))
        nll_T, correct_T = torch.cat(nlls), torch.cat(corrects)
        ctx.mark_non_differentiable(nll_T, correct_T)
        return nll_T.sum(), nll_T, correct_T

    @staticmethod
    def backward(ctx: Any, grad_total: Tensor, *_: Any) -> tuple[Tensor, Tensor, None, None]:
        grad_x_TL, grad_weight_VL = ctx.saved_tensors
        scaled = (grad * grad_total.to(grad.dtype) for grad in (grad_x_TL, grad_weight_VL))
        return (*scaled, None, None)


def token_loss(x_TL: Tensor, weight_VL: Tensor, targets_T: Tensor) -> TokenLoss:
    """Cross-entropy of token states (T, L) under an output layer (V, L), summed over targets, in at least float32."""
    apply: Any = _ChunkedCrossEntropy.apply
    # Inside of the function gradients always look off, and needed ones also under no_grad: it has to be told.
    needs_grad = torch.is_grad_enabled() and (x_TL.requires_grad or weight_VL.requires_grad)
    return TokenLoss(*apply(x_TL, weight_VL.to(x_TL.dtype), targets_T, needs_grad))


def log_probabilities(logits_TV: Tensor) -> Tensor:
    """Log-probabilities (T, V) of the next token, in at least float32."""
    if logits_TV.dtype in (torch.bfloat16, torch.float16):
        logits_TV = logits_TV.float()
    return logits_TV.log_softmax(-1)
