"""HuBERT's transformer over several clips laid end to end, without padding.

Legend: N clips, T frames of all clips together, t frames of one clip, D model size, H heads.

Everything but the positional convolution and the attention works on single frames, so clips of any lengths go
through it as one [T, D] matrix. The two that look along time are kept inside each clip: the convolution by zeros
between clips, as wide as it reaches, and the attention by running clip by clip. So no frame is spent on padding, and
the company in which a clip is read changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lst_cli.dense import Dense


class RaggedEncoder:
    """The transformer of a ``HubertModel`` up to one layer.

    :param encoder: ``HubertModel.encoder``, with the layers above ``layer`` already cut off.
    :param config: ``HubertModel.config``.
    :param last: whether the chosen layer is the model's last, whose output some models normalise.
    """

    def __init__(self, encoder: Any, config: Any, *, last: bool) -> None:
        self._norm_first = bool(config.do_stable_layer_norm)
        self._position: Any = encoder.pos_conv_embed
        self._norm: Any = encoder.layer_norm
        exact_gelu = config.hidden_act == "gelu"
        self._layers = [_Layer(layer, norm_first=self._norm_first, exact_gelu=exact_gelu) for layer in encoder.layers]
        self._last = last

    def __call__(self, x_TD: Tensor, frames: Sequence[int]) -> Tensor:
        """Hidden states [T, D] of the chosen layer; ``frames`` are the frames of each clip, T in all."""
        x_TD = x_TD + self._embed_positions(x_TD, frames)
        if not self._norm_first:
            x_TD = self._norm(x_TD)
        for layer in self._layers:
            x_TD = layer(x_TD, frames)
        if self._norm_first and self._last:
            x_TD = self._norm(x_TD)
        return x_TD

    def compile_layers(self) -> None:
        """Compile the layers' feed-forward halves, which see one matrix of changing height."""
        for layer in self._layers:
            layer.feed_forward = torch.compile(layer.feed_forward, dynamic=True)

    def _embed_positions(self, x_TD: Tensor, frames: Sequence[int]) -> Tensor:
        """The positional convolution over all clips, each among zeros as if it were alone."""
        module = self._position
        batch_norm = getattr(module, "batch_norm", None)  # wav2vec2, which has the same encoder, has none
        if batch_norm is not None:
            x_TD = batch_norm(x_TD)
        gap = module.conv.kernel_size[0] // 2
        starts, total = [], 0
        for t in frames:
            starts.append(total)
            total += t + gap
        laid_TD = x_TD.new_zeros(total, x_TD.shape[1])
        for start, clip_tD in zip(starts, torch.split(x_TD, list(frames)), strict=True):
            laid_TD[start : start + len(clip_tD)] = clip_tD
        out_TD = module.activation(module.conv(laid_TD.T[None])[0]).T
        return torch.cat([out_TD[start : start + t] for start, t in zip(starts, frames, strict=True)])


class _Layer:
    """One transformer layer, made from that of a ``HubertModel``."""

    def __init__(self, layer: Any, *, norm_first: bool, exact_gelu: bool) -> None:
        attention = layer.attention
        parts = [attention.q_proj, attention.k_proj, attention.v_proj]
        self._heads = attention.num_heads
        self._qkv = Dense(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))
        self._out = Dense(attention.out_proj.weight, attention.out_proj.bias)
        self._norm: Any = layer.layer_norm
        self.feed_forward = _feed_forward(layer.feed_forward, exact_gelu=exact_gelu)
        self._final_norm: Any = layer.final_layer_norm
        self._norm_first = norm_first

    def __call__(self, x_TD: Tensor, frames: Sequence[int]) -> Tensor:
        if self._norm_first:
            x_TD = x_TD + self._attend(self._norm(x_TD), frames)
            fed_TD: Tensor = x_TD + self.feed_forward(self._final_norm(x_TD))
            return fed_TD
        x_TD = self._norm(x_TD + self._attend(x_TD, frames))
        out_TD: Tensor = self._final_norm(x_TD + self.feed_forward(x_TD))
        return out_TD

    def _attend(self, x_TD: Tensor, frames: Sequence[int]) -> Tensor:
        qkv_TD = self._qkv(x_TD)
        out = []
        for clip_tD in torch.split(qkv_TD, list(frames)):
            q_1Htd, k_1Htd, v_1Htd = clip_tD.view(1, len(clip_tD), 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            attended_1Htd = F.scaled_dot_product_attention(q_1Htd, k_1Htd, v_1Htd)
            out.append(attended_1Htd[0].transpose(0, 1).flatten(1))
        return self._out(torch.cat(out))


def _feed_forward(module: Any, *, exact_gelu: bool) -> Callable[[Tensor], Tensor]:
    """The feed-forward half of a layer; the module itself where its activation is not the exact GELU."""
    if not exact_gelu:
        whole: Callable[[Tensor], Tensor] = module
        return whole
    inner = Dense(module.intermediate_dense.weight, module.intermediate_dense.bias, gelu=True)
    outer = Dense(module.output_dense.weight, module.output_dense.bias)
    return lambda x_TD: outer(inner(x_TD))
