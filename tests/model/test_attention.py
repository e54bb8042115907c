"""Attention on CPU, flex attention and a dense softmax give the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.attention.flex_attention import BlockMask

from lst_cli.model import attention
from lst_cli.model.attention import Spans, attend
from lst_cli.patching.strategies import Patcher, PatchingConfig
from tests.model.helpers import (
    BASELINE,
    CPU,
    LST,
    batch_for,
    end_to_end,
    model,
    packed,
    random_documents,
)


def dense_mask(low, high, keys):
    key = np.arange(keys)
    return (key >= low[:, None]) & (key <= high[:, None])


@pytest.mark.parametrize("queries,keys", [(300, 300), (130, 520), (520, 130), (5, 7)])
def test_attention_equals_a_dense_softmax_and_flex_attention(monkeypatch, queries, keys):
    rng = np.random.default_rng(queries)
    low = np.sort(rng.integers(0, keys, queries))
    high = np.minimum(low + rng.integers(-1, 90, queries), keys - 1)
    q, k, v = (torch.from_numpy(rng.standard_normal((n, 2, 16))).float() for n in (queries, keys, keys))
    spans = Spans.build(low, high, keys, CPU)
    mask = torch.from_numpy(dense_mask(low, high, keys))
    weights = torch.einsum("the,she->hts", q, k / 4).masked_fill(~mask, float("-inf")).softmax(-1).nan_to_num(0)
    expected = torch.einsum("hts,she->the", weights, v)
    torch.testing.assert_close(attend(q, k, v, spans), expected, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(attention, "uses_flex", lambda device_type: True)
    flex = attend(q, k, v, Spans.build(low, high, keys, CPU))
    torch.testing.assert_close(flex, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cut", ["static", "aligned"])
def test_flex_attention_equals_attention_on_cpu_over_the_spans_of_a_batch(monkeypatch, cut):
    documents = [item for seed in range(5) for item in random_documents(seed)]
    each = [packed([item], Patcher(PatchingConfig()), cut, pad=False) for item in documents]
    batch = batch_for(LST, end_to_end(each, empty=1).padded(700, 650))
    assert batch.local is not None
    generator = torch.Generator().manual_seed(0)
    local = batch.local
    for spans in (batch.positions_P, local.tokens_T, local.patch_to_tokens_Q, local.token_to_patches_T):
        low, high = spans.low_T.numpy(), spans.high_T.numpy()
        assert (high < low).any()
        q, k, v = (torch.randn(n, 2, 16, generator=generator) for n in (len(low), spans.keys, spans.keys))
        inputs = [x.requires_grad_() for x in (q, k, v)]
        ours = attend(q, k, v, spans)
        with monkeypatch.context() as patch:
            patch.setattr(attention, "uses_flex", lambda device_type: True)
            flex = attend(q, k, v, Spans.build(low, high, spans.keys, CPU))
        torch.testing.assert_close(flex, ours, rtol=1e-4, atol=1e-5)
        assert (ours[torch.from_numpy(high < low)] == 0).all()
        weight = torch.randn(ours.shape, generator=generator)
        gradients = [torch.autograd.grad((out * weight).sum(), inputs) for out in (flex, ours)]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("queries", [384, 300])
def test_block_mask_marks_whole_and_empty_blocks(monkeypatch, queries):
    monkeypatch.setattr(attention, "uses_flex", lambda device_type: True)
    low, high = np.zeros(queries, dtype=np.int64), np.arange(queries)
    mask = Spans.build(low, high, 384, CPU).block_mask
    assert mask is not None
    assert mask.kv_num_blocks.tolist() == [[[1, 1, 1]]]
    assert mask.full_kv_num_blocks is not None
    assert mask.full_kv_num_blocks.tolist() == [[[0, 1, 2]]]
    # By keys: as torch derives them from the lists by queries.
    derived = BlockMask.from_kv_blocks(
        mask.kv_num_blocks, mask.kv_indices, mask.full_kv_num_blocks, mask.full_kv_indices, seq_lengths=(queries, 384)
    )
    for name in ("q_num_blocks", "q_indices", "full_q_num_blocks", "full_q_indices"):
        assert torch.equal(getattr(mask, name), getattr(derived, name))


@pytest.mark.parametrize(("config", "cut"), [(LST, "static"), (BASELINE, "none")], ids=["lst", "baseline"])
def test_flex_attention_trains_under_autocast(monkeypatch, config, cut):
    """As on one GPU, where autocast keeps the residual stream in float32 and makes matrix products in bfloat16."""
    made = packed(random_documents(0), Patcher(PatchingConfig()), cut)
    found = []
    for flex in (False, True):
        monkeypatch.setattr(attention, "uses_flex", lambda device_type, flex=flex: flex)
        net, batch = model(config).train(), batch_for(config, made)
        with torch.autocast("cpu", torch.bfloat16):
            loss = net(batch).total
        loss.backward()
        assert all(parameter.grad is not None for parameter in net.parameters())
        norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in net.parameters()])
        found.append(torch.stack([loss.detach(), norm]))
    torch.testing.assert_close(*found, rtol=0.02, atol=0)
