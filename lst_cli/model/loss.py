"""Next-token loss without a full tensor of logits.

Shape legend: T tokens, C tokens of a chunk, L width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lst_cli.patching.packed import IGNORE

CHUNK = 2048
"""Tokens per chunk of logits."""


@dataclass(frozen=True)
class TokenLoss:
    """Loss of one batch."""

    total: Tensor
    """Sum of negative log-likelihood over all targets, in nats; its gradient is computed."""
    nll_T: Tensor
    """Negative log-likelihood of each target, 0 where ignored; with its own gradient only on request."""
    correct_T: Tensor
    """Whether the likeliest token is the target; False where ignored."""


def chunk_loss(logits_CV: Tensor, target_C: Tensor, needs_grad: bool) -> tuple[Tensor, Tensor, Tensor]:
    """One chunk: negative log-likelihood, whether the target is likeliest, and the gradient of the logits (C, V)."""
    log_p_CV = log_probabilities(logits_CV)
    counts_C = target_C != IGNORE
    index_C1 = target_C.clamp(min=0)[:, None]
    nll_C = -log_p_CV.gather(1, index_C1)[:, 0] * counts_C
    correct_C = (log_p_CV.argmax(1) == target_C) & counts_C
    if not needs_grad:
        return nll_C, correct_C, log_p_CV
    grad_CV = log_p_CV.exp_()
    grad_CV.scatter_add_(1, index_C1, torch.full_like(index_C1, -1, dtype=grad_CV.dtype))
    return nll_C, correct_C, (grad_CV * counts_C[:, None]).to(logits_CV.dtype)


@cache
def _chunk_loss(device_type: str) -> Any:
    # Eagerly the chunk is read and written six times; compiled, the softmax, its gradient and the cast are two kernels.
    # Fused libraries of linear and cross-entropy give the sum only, not the loss of each token that metrics need.
    return torch.compile(chunk_loss, dynamic=True) if device_type == "cuda" else chunk_loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Takes the gradients in the forward pass, chunk by chunk, so that no chunk's logits are kept."""

    @staticmethod
    def forward(
        ctx: Any, x_TL: Tensor, weight_VL: Tensor, targets_T: Tensor, needs_grad: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        whole_dtype, weight_VL = weight_VL.dtype, weight_VL.to(x_TL.dtype)
        grad_x_TL = torch.empty_like(x_TL) if needs_grad else None
        # Chunks add up in float32, whatever the weights' type.
        sum_dtype = torch.promote_types(whole_dtype, torch.float32)
        grad_weight_VL = torch.zeros_like(weight_VL, dtype=sum_dtype) if needs_grad else None
        nlls, corrects = [], []
        for start in range(0, x_TL.shape[0], CHUNK):
            rows = slice(start, start + CHUNK)
            logits_CV = x_TL[rows] @ weight_VL.T
            nll_C, correct_C, grad_CV = _chunk_loss(x_TL.device.type)(logits_CV, targets_T[rows], needs_grad)
            nlls.append(nll_C)
            corrects.append(correct_C)
            if grad_x_TL is not None and grad_weight_VL is not None:
                grad_x_TL[rows] = grad_CV @ weight_VL
                grad_weight_VL += grad_CV.T @ x_TL[rows]
        if grad_x_TL is not None and grad_weight_VL is not None:
            ctx.save_for_backward(grad_x_TL, grad_weight_VL.to(whole_dtype))
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
    # Inside the function, grad mode is always off, and inputs require gradients even under no_grad: pass the mode.
    needs_grad = torch.is_grad_enabled() and (x_TL.requires_grad or weight_VL.requires_grad)
    device = x_TL.device.type
    # Autocast would cast the output layer again for every chunk.
    if not torch.amp.autocast_mode.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return TokenLoss(*apply(x_TL, weight_VL, targets_T, needs_grad))
    with torch.autocast(device, enabled=False):
        return TokenLoss(*apply(x_TL.to(torch.get_autocast_dtype(device)), weight_VL, targets_T, needs_grad))


def differentiable_token_loss(x_TL: Tensor, weight_VL: Tensor, targets_T: Tensor) -> TokenLoss:
    """As :func:`token_loss`, for objectives that weight each target separately: ``nll_T`` carries the gradient.

    The logits of a chunk are computed again in the backward pass.
    """
    parts = [
        checkpoint(_chunk_nll, x_TL[start : start + CHUNK], weight_VL, targets_T[start : start + CHUNK], **_RECOMPUTE)
        for start in range(0, x_TL.shape[0], CHUNK)
    ]
    nll_T, correct_T = (torch.cat(part) for part in zip(*parts, strict=True))
    return TokenLoss(nll_T.sum(), nll_T, correct_T)


_RECOMPUTE: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}


def _chunk_nll(x_CL: Tensor, weight_VL: Tensor, target_C: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of each target of a chunk, and whether it is the likeliest."""
    log_p_CV = log_probabilities(torch.nn.functional.linear(x_CL, weight_VL))
    counts_C = target_C != IGNORE
    nll_C = -log_p_CV.gather(1, target_C.clamp(min=0)[:, None])[:, 0] * counts_C
    return nll_C, (log_p_CV.argmax(1) == target_C) & counts_C


def log_probabilities(logits_TV: Tensor) -> Tensor:
    """Log-probabilities (T, V) of the next token, in at least float32."""
    if logits_TV.dtype in (torch.bfloat16, torch.float16):
        logits_TV = logits_TV.float()
    return logits_TV.log_softmax(-1)
