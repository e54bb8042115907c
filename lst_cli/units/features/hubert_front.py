"""HuBERT's convolutional front end for one clip at a time, as strided matrix products.

Legend: S samples, T frames of the layer at hand, C channels, K kernel, M = K * C of the layer's input.

HuBERT base normalises the output of its first convolution over the whole time axis (Hsu et al. 2021, group norm with
one channel a group), so padding a clip changes all of its frames. Here clips are never padded. The norm needs only
the mean and variance of each channel, and the first convolution is linear: both follow from the mean and covariance
of the K samples under its kernel. Knowing them beforehand, the norm is folded into the clip's own copy of the kernel,
and the whole stack runs over short blocks of time that stay in the cache.

A convolution whose kernel slides by ``stride`` over a channels-last signal is a sum of ``ceil(K / stride)`` matrix
products of plain views of the signal: no copy is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lst_cli.dense import Dense

_BLOCK_SAMPLES = 64_000
"""Samples that go through the stack at once on a CPU; bounds the memory of the widest layer (26 MB in base)."""


@dataclass(frozen=True)
class _Layer:
    """One convolution: its kernel cut into pieces of at most ``stride`` steps, and what follows it."""

    pieces: tuple[Dense, ...]
    """Each from [steps * C_in] to [C_out]; the bias is added by the first."""
    kernel: int
    stride: int
    norm: nn.LayerNorm | None
    gelu_done: bool = False
    """The GELU is part of the only piece."""


class ConvFront:
    """The feature encoder of a transformers ``HubertModel``, for one clip of any length.

    :param encoder: ``HubertModel.feature_extractor``.
    :param config: ``HubertModel.config``; any kernels and strides, both kinds of ``feat_extract_norm``.
    :param dtype: of everything after the first convolution, which is small and reads the raw audio: it stays float32.
    """

    def __init__(self, encoder: Any, config: Any, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._convs = encoder.conv_layers
        self._kernels = list(config.conv_kernel)
        self._strides = list(config.conv_stride)
        self._group = config.feat_extract_norm == "group"
        self._exact_gelu = config.feat_extract_activation == "gelu"
        self._layers = [self._prepare(i) for i in range(len(self._convs))]
        self.hop = 1
        """Samples from one output frame to the next."""
        self.reach = 1
        """Receptive field of an output frame, in samples."""
        for kernel, stride in zip(self._kernels, self._strides, strict=True):
            self.reach += (kernel - 1) * self.hop
            self.hop *= stride

    def _prepare(self, index: int) -> _Layer:
        conv = self._convs[index].to(torch.float32 if index == 0 else self._dtype).conv
        stride, kernel, c_in = self._strides[index], self._kernels[index], conv.weight.shape[1]
        weight_CM = conv.weight.detach().permute(0, 2, 1).flatten(1)
        # A kernel over one channel is so small that unfolding the signal is cheaper than two passes over the output.
        weights = weight_CM.split((kernel if c_in == 1 else stride) * c_in, dim=1)
        norm = getattr(self._convs[index], "layer_norm", None)
        plain = norm is None and len(weights) == 1 and self._exact_gelu
        return _Layer(
            pieces=tuple(Dense(part, None if i else conv.bias, gelu=plain) for i, part in enumerate(weights)),
            kernel=kernel,
            stride=stride,
            norm=norm if isinstance(norm, nn.LayerNorm) else None,
            gelu_done=plain,
        )

    def frames(self, samples: int) -> int:
        """Frames of the model for a clip of at least :attr:`reach` samples."""
        return (samples - self.reach) // self.hop + 1

    def __call__(self, wave_S: Tensor) -> Tensor:
        """Features [T, C] of one clip, float32 and at least :attr:`reach` samples long."""
        first = self._normed_first(wave_S) if self._group else self._layers[0]
        total = self.frames(len(wave_S))
        block = max(1, _BLOCK_SAMPLES // self.hop) if wave_S.device.type == "cpu" else total
        parts = []
        for start in range(0, total, block):
            stop = min(start + block, total)
            heard_S = wave_S[start * self.hop : (stop - 1) * self.hop + self.reach]
            parts.append(self._stack(heard_S, first))
        return torch.cat(parts)

    def _stack(self, heard_S: Tensor, first: _Layer) -> Tensor:
        x_TC = heard_S[:, None]
        for layer in [first, *self._layers[1:]]:
            x_TC = _convolve(x_TC, layer)
            if layer.norm is not None:
                x_TC = layer.norm(x_TC)
            x_TC = x_TC.to(self._dtype)
            if not layer.gelu_done:
                x_TC = torch.ops.aten.gelu_(x_TC) if self._exact_gelu else self._convs[0].activation(x_TC)
        return x_TC

    def _normed_first(self, wave_S: Tensor) -> _Layer:
        """The first layer with its group norm for this clip folded into kernel and bias."""
        plain = self._layers[0]
        conv, norm = self._convs[0].conv, self._convs[0].layer_norm
        heard_TK = wave_S.unfold(0, plain.kernel, plain.stride).double()
        mean_K = heard_TK.mean(dim=0)
        centred_TK = heard_TK - mean_K
        covariance_KK = centred_TK.T @ centred_TK / len(centred_TK)
        weight_CK = conv.weight.detach()[:, 0].double()
        # A bias of the convolution cancels: it only shifts the mean.
        variance_C = (weight_CK * (weight_CK @ covariance_KK)).sum(dim=1)
        gain_C = norm.weight.detach().double() / torch.sqrt(variance_C + norm.eps)
        bias_C = norm.bias.detach().double() - gain_C * (weight_CK @ mean_K)
        folded = Dense((weight_CK * gain_C[:, None]).float(), bias_C.float(), gelu=self._exact_gelu)
        return _Layer((folded,), plain.kernel, plain.stride, None, gelu_done=self._exact_gelu)


def _convolve(x_TC: Tensor, layer: _Layer) -> Tensor:
    """A strided convolution without padding over a channels-last signal."""
    channels = x_TC.shape[1]
    total = (len(x_TC) - layer.kernel) // layer.stride + 1
    if channels == 1:
        return layer.pieces[0](x_TC[:, 0].unfold(0, layer.kernel, layer.stride).contiguous())
    out_TC: Tensor | None = None
    row, start = layer.stride * channels, x_TC.storage_offset()
    for i, piece in enumerate(layer.pieces):
        view_TM = x_TC.as_strided((total, piece.inputs), (row, 1), start + i * row)
        out_TC = piece(view_TM, out_TC)
    assert out_TC is not None
    return out_TC
