"""One door to attention: every query sees one contiguous run of keys.

Documents are laid end to end, and every mask of the model — causal within a window, block-causal, a patch's own
tokens, the patches that are already closed — lets a query see exactly the keys from ``low`` to ``high``. So a mask
is two integers per query, document isolation included.

Shape legend: T queries, S keys, H heads, K heads of keys and values (each for H / K heads of queries), E width of a
head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx.experimental import _config as symbolic
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from lst_cli.model.upload import Sent, Upload

_CPU_QUERIES = 128
"""Queries of one block on CPU: it computes only the keys that some of them see. With documents of 1,000 tokens 64, 128
and 256 took the same time in float32, and 64 the longest in bfloat16; shorter documents want smaller blocks."""
_CPU_ALIGN = 64
"""Key ranges on CPU begin and end at multiples of this, so that they seldom depend on what comes later."""
_FLEX_BLOCK = 128
"""Block size of flex attention's sparse mask."""


@dataclass(frozen=True)
class CpuBlock:
    """A block of queries and the range of keys that some of them see."""

    queries: slice
    keys: slice
    bias_TS: Tensor
    """0 where a query sees a key, else minus infinity; a query that sees none is given its first, to keep softmax
    finite."""
    empty_T1: Tensor | None
    """Which queries see no key at all; their output is zero."""


@dataclass(frozen=True)
class Spans:
    """The keys that each query sees: ``low_T <= s <= high_T``, none where ``high_T < low_T``."""

    low_T: Tensor
    high_T: Tensor
    keys: int
    cpu_blocks: tuple[CpuBlock, ...] = ()
    block_mask: BlockMask | None = None

    @classmethod
    def build(
        cls,
        low_T: NDArray[np.integer],
        high_T: NDArray[np.integer],
        keys: int,
        device: torch.device,
    ) -> Spans:
        """Spans with the masks that attention on this device needs, made once and used by every layer."""
        upload = Upload()
        make = stage_spans(low_T, high_T, keys, upload, device.type)
        return make(upload.to(device))


def uses_flex(device_type: str) -> bool:
    """Whether attention on this kind of device is flex attention."""
    return device_type == "cuda"


def stage_spans(
    low_T: NDArray[np.integer], high_T: NDArray[np.integer], keys: int, upload: Upload, device_type: str
) -> Callable[[Sent], Spans]:
    """Add spans and their masks to an upload; the result makes them once the upload has reached the device."""
    low, high = upload.add(low_T, np.int32), upload.add(high_T, np.int32)
    if not uses_flex(device_type):
        cpu_low_T, cpu_high_T = (torch.from_numpy(bound_T.astype(np.int32)) for bound_T in (low_T, high_T))
        blocks = tuple(_cpu_blocks(cpu_low_T, cpu_high_T, keys))
        return lambda sent: Spans(sent(low), sent(high), keys=keys, cpu_blocks=blocks)
    lists = [upload.add(each, np.int32) for each in block_lists(low_T, high_T, keys)]

    def make(sent: Sent) -> Spans:
        mask = _block_mask(sent(low), sent(high), keys, [sent(each) for each in lists])
        return Spans(sent(low), sent(high), keys=keys, block_mask=mask)

    return make


def attend(q_THE: Tensor, k_SKE: Tensor, v_SKE: Tensor, spans: Spans) -> Tensor:
    """Softmax attention of each query over its span of keys; zero for a query that sees none."""
    if not len(q_THE):
        # Keys and values still get a gradient, of zero: data-parallel training waits for one of every weight.
        return q_THE + 0 * (k_SKE.sum() + v_SKE.sum())
    if spans.block_mask is not None:
        return attend_flex(q_THE, k_SKE, v_SKE, spans.block_mask)
    groups = q_THE.shape[1] // k_SKE.shape[1]
    k_SHE, v_SHE = (x if groups == 1 else x.repeat_interleave(groups, 1) for x in (k_SKE, v_SKE))
    return _attend_cpu(q_THE, k_SHE, v_SHE, spans.cpu_blocks)


def _attend_cpu(q_THE: Tensor, k_SHE: Tensor, v_SHE: Tensor, blocks: tuple[CpuBlock, ...]) -> Tensor:
    # Plain matrix products: with its backward pass torch's fused kernel took up to 1.4 times as long in float32 on two
    # cores, and up to 2.5 times in bfloat16.
    q_HTE, k_HES, v_HSE = q_THE.transpose(0, 1) * q_THE.shape[-1] ** -0.5, k_SHE.permute(1, 2, 0), v_SHE.transpose(0, 1)
    out = []
    for block in blocks:
        if block.bias_TS.shape[1] == 0:
            out.append(torch.zeros_like(q_THE[block.queries]))
            continue
        bias_HTS = block.bias_TS.to(q_HTE.dtype).expand(len(q_HTE), -1, -1)
        logits_HTS = torch.baddbmm(bias_HTS, q_HTE[:, block.queries], k_HES[:, :, block.keys])
        o_HTE = logits_HTS.softmax(-1).to(v_HSE.dtype) @ v_HSE[:, block.keys]
        if block.empty_T1 is not None:
            o_HTE = o_HTE.masked_fill(block.empty_T1, 0.0)
        out.append(o_HTE.transpose(0, 1))
    return torch.cat(out)


def _cpu_blocks(low_T: Tensor, high_T: Tensor, keys: int) -> list[CpuBlock]:
    blocks = []
    for start in range(0, len(low_T), _CPU_QUERIES):
        queries = slice(start, start + _CPU_QUERIES)
        low, high = low_T[queries], high_T[queries]
        sees = high >= low
        if not bool(sees.any()):
            blocks.append(CpuBlock(queries, slice(0, 0), torch.zeros(len(low), 0), None))
            continue
        first = int(low[sees].min()) // _CPU_ALIGN * _CPU_ALIGN
        stop = min(-(-(int(high[sees].max()) + 1) // _CPU_ALIGN) * _CPU_ALIGN, keys)
        key_S = torch.arange(first, stop)
        hidden_TS = (key_S < low[:, None]) | (key_S > high[:, None])
        empty_T1 = None
        if not bool(sees.all()):
            empty_T1 = ~sees[:, None]
            hidden_TS[~sees, 0] = False
        bias_TS = torch.zeros(hidden_TS.shape).masked_fill_(hidden_TS, float("-inf"))
        blocks.append(CpuBlock(queries, slice(first, stop), bias_TS, empty_T1))
    return blocks


def block_lists(low_T: NDArray[np.integer], high_T: NDArray[np.integer], keys: int) -> list[NDArray[np.int32]]:
    """Flex attention's sparse blocks, from the spans alone: no T x S mask is ever made.

    :returns: for partial and then for whole blocks, by queries and then by keys: how many blocks each row of blocks
        has, and their columns, in front of all others.
    """
    queries = len(low_T)
    rows, columns = _blocks(queries), _blocks(keys)
    padded = rows * _FLEX_BLOCK - queries
    low = np.pad(low_T.astype(np.int64), (0, padded), constant_values=1).reshape(rows, _FLEX_BLOCK)
    high = np.pad(high_T.astype(np.int64), (0, padded), constant_values=0).reshape(rows, _FLEX_BLOCK)
    sees = high >= low
    first = np.where(sees, low, keys).min(1, keepdims=True)
    last = np.where(sees, high, -1).max(1, keepdims=True)
    block_start = np.arange(columns)[None] * _FLEX_BLOCK
    block_end = np.minimum(block_start + _FLEX_BLOCK, keys) - 1
    some = (block_start <= last) & (block_end >= first)
    # Rows beyond the last query see nothing: they must not keep a block from being whole.
    real = np.arange(rows * _FLEX_BLOCK).reshape(rows, _FLEX_BLOCK) < queries
    whole = (np.where(real, low, -1).max(1, keepdims=True) <= block_start) & (
        np.where(real, high, keys).min(1, keepdims=True) >= block_end
    )
    return [
        part for chosen in (some & ~whole, some & whole) for side in (chosen, chosen.T) for part in _chosen_first(side)
    ]


def _blocks(entries: int) -> int:
    """Blocks of an axis, two at least: torch.compile makes another program for a size of one."""
    return max(2, -(-entries // _FLEX_BLOCK))


def _chosen_first(chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """For each row of blocks: how many are chosen, and their columns in front of all others."""
    count = chosen.sum(1).astype(np.int32)[None, None]
    return count, np.argsort(~chosen, axis=1, kind="stable").astype(np.int32)[None, None]


def _block_mask(low_T: Tensor, high_T: Tensor, keys: int, lists: Sequence[Tensor]) -> BlockMask:
    def mask_mod(b: Tensor, h: Tensor, q: Tensor, kv: Tensor) -> Tensor:
        return (low_T[q] <= kv) & (kv <= high_T[q])

    kv_count, kv, q_count, q, full_kv_count, full_kv, full_q_count, full_q = lists
    return BlockMask(
        seq_lengths=(len(low_T), keys),
        kv_num_blocks=kv_count,
        kv_indices=kv,
        full_kv_num_blocks=full_kv_count,
        full_kv_indices=full_kv,
        # By keys, for the backward pass; torch would compute these on the device, in a dozen small kernels.
        q_num_blocks=q_count,
        q_indices=q,
        full_q_num_blocks=full_q_count,
        full_q_indices=full_q,
        BLOCK_SIZE=(_FLEX_BLOCK, _FLEX_BLOCK),
        mask_mod=mask_mod,
    )


_PROGRAMS = 64
"""Programs that torch.compile may make of one function. Its own limit of 8 is passed by training, validation and story
scoring together, in several precisions; beyond it flex attention would compute the full T x S scores."""


def allow_programs() -> None:
    """Raise torch.compile's limit to what this package needs, and let one program serve sizes that happen to be equal
    in one batch and differ in the next.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _PROGRAMS)
    symbolic.use_duck_shape = False


def compiled_flex(**options: Any) -> Any:
    """Flex attention, compiled for all sizes. It raises where it would have to compute the full scores."""
    allow_programs()
    return torch.compile(flex_attention, dynamic=True, fullgraph=True, **options)


@cache
def _flex(device_type: str) -> Any:
    # Outside of torch.compile flex attention makes the whole T x S matrix; on CPU it serves tests only.
    return compiled_flex() if device_type == "cuda" else flex_attention


def attend_flex(q_THE: Tensor, k_SKE: Tensor, v_SKE: Tensor, block_mask: BlockMask) -> Tensor:
    """Attention through flex attention's block-sparse kernel."""
    q_1HTE, k_1KSE, v_1KSE = (x.transpose(0, 1).unsqueeze(0) for x in (q_THE, k_SKE, v_SKE))
    grouped = q_THE.shape[1] != k_SKE.shape[1]
    out: Tensor = _flex(q_THE.device.type)(q_1HTE, k_1KSE, v_1KSE, block_mask=block_mask, enable_gqa=grouped)
    return out[0].transpose(0, 1)
