"""HuBERT's transformer over several concatenated clips, without padding.

Legend: N clips, T frames of all clips together, t frames of one clip, D model size, H heads, E width of a head.

Everything but the positional convolution and the attention works on single frames, so clips of any lengths go
through it as one [T, D] matrix. The two that look along time are kept inside each clip: the convolution by zeros
between clips, as wide as it reaches, and the attention by seeing one clip only: on a CPU clip by clip, on a GPU in one
kernel for all clips. So no frame is spent on padding, and the company in which a clip is read changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lst_cli.dense import Dense


@dataclass(frozen=True)
class Clips:
    """Where the clips of a batch lie; made once for all layers."""

    frames: Sequence[int]
    """Frames of each clip."""
    offsets_N: Tensor
    """First frame of each clip, and behind the last one T."""
    place_T: Tensor
    """Row of each frame in a layout of clips with zeros between them."""
    laid_out: int
    """Rows there."""

    @classmethod
    def of(cls, frames: Sequence[int], device: torch.device, *, gap: int) -> Clips:
        """The layout of clips of these frames, with ``gap`` zeros after each."""
        offsets = np.concatenate([[0], np.cumsum(frames)])
        place = np.arange(offsets[-1]) + np.repeat(np.arange(len(frames)) * gap, frames)
        both = torch.from_numpy(np.concatenate([offsets, place]))
        if device.type == "cuda":
            both = both.pin_memory()
        offsets_N, place_T = both.to(device, non_blocking=True).split([len(offsets), len(place)])  # type: ignore[no-untyped-call]
        return cls(frames, offsets_N, place_T, int(offsets[-1]) + gap * len(frames))


class RaggedEncoder:
    """The transformer of a ``HubertModel`` up to one layer.

    :param encoder: ``HubertModel.encoder``, with the layers above ``layer`` already removed.
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
        clips = Clips.of(frames, x_TD.device, gap=self._position.conv.kernel_size[0] // 2)
        x_TD = x_TD + self._embed_positions(x_TD, clips)
        if not self._norm_first:
            x_TD = self._norm(x_TD)
        for layer in self._layers:
            x_TD = layer(x_TD, clips)
        if self._norm_first and self._last:
            x_TD = self._norm(x_TD)
        return x_TD

    def compile_layers(self) -> None:
        """Compile the layers' feed-forward halves, which see one matrix of changing height."""
        for layer in self._layers:
            layer.feed_forward = torch.compile(layer.feed_forward, dynamic=True)

    def _embed_positions(self, x_TD: Tensor, clips: Clips) -> Tensor:
        """The positional convolution over all clips, each among zeros as if it were alone."""
        module = self._position
        batch_norm = getattr(module, "batch_norm", None)  # wav2vec2, which has the same encoder, has none
        if batch_norm is not None:
            x_TD = batch_norm(x_TD)
        laid_TD = x_TD.new_zeros(clips.laid_out, x_TD.shape[1]).index_copy_(0, clips.place_T, x_TD)
        out_TD: Tensor = module.activation(module.conv(laid_TD.T[None])[0]).T[clips.place_T]
        return out_TD


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

    def __call__(self, x_TD: Tensor, clips: Clips) -> Tensor:
        if self._norm_first:
            x_TD = x_TD + self._attend(self._norm(x_TD), clips)
            fed_TD: Tensor = x_TD + self.feed_forward(self._final_norm(x_TD))
            return fed_TD
        x_TD = self._norm(x_TD + self._attend(x_TD, clips))
        out_TD: Tensor = self._final_norm(x_TD + self.feed_forward(x_TD))
        return out_TD

    def _attend(self, x_TD: Tensor, clips: Clips) -> Tensor:
        attend = attend_packed if x_TD.device.type == "cuda" else attend_clip_by_clip
        return self._out(attend(self._qkv(x_TD).view(len(x_TD), 3, self._heads, -1), clips).flatten(1))


def attend_clip_by_clip(qkv_T3HE: Tensor, clips: Clips) -> Tensor:
    """Attention [T, H, E] of each clip to itself, in one call for each: fastest on a CPU."""
    out = []
    for clip_t3HE in torch.split(qkv_T3HE, list(clips.frames)):
        q_1HtE, k_1HtE, v_1HtE = clip_t3HE[None].permute(2, 0, 3, 1, 4)
        out.append(F.scaled_dot_product_attention(q_1HtE, k_1HtE, v_1HtE)[0].transpose(0, 1))
    return torch.cat(out)


def attend_packed(qkv_T3HE: Tensor, clips: Clips) -> Tensor:
    """The same for all clips in one kernel: their hundreds of launches would take longer than the work."""
    q, k, v = (
        torch.nested.nested_tensor_from_jagged(
            x_THE.contiguous(), clips.offsets_N, min_seqlen=min(clips.frames), max_seqlen=max(clips.frames)
        ).transpose(1, 2)
        for x_THE in qkv_T3HE.unbind(1)
    )
    out: Tensor = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).values()
    return out


def _feed_forward(module: Any, *, exact_gelu: bool) -> Callable[[Tensor], Tensor]:
    """The feed-forward half of a layer; the module itself where its activation is not the exact GELU."""
    if not exact_gelu:
        whole: Callable[[Tensor], Tensor] = module
        return whole
    inner = Dense(module.intermediate_dense.weight, module.intermediate_dense.bias, gelu=True)
    outer = Dense(module.output_dense.weight, module.output_dense.bias)
    return lambda x_TD: outer(inner(x_TD))
