"""The formulas of docs/model.md, written out query by query and key by key, give the model's logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lst_cli.model.layers import Block, CrossAttention
from lst_cli.model.model import Latent
from lst_cli.patching.packed import Document, Packed
from lst_cli.patching.strategies import Cut, Patcher, PatchingConfig
from tests.model.helpers import BASELINE, LST, NO_LAYERS, OWN_PATCH, document, logits, model, packed

Keys = Sequence[Sequence[int]]
"""For each query the keys that it sees."""


def normed(x: Tensor, by: nn.RMSNorm) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * by.weight


def turned(x_THE: Tensor, theta: float) -> Tensor:
    """Features i and i + E/2 of place t are one complex number, turned by t theta^(-2i / E)."""
    half = x_THE.shape[-1] // 2
    angle = torch.arange(len(x_THE))[:, None, None] * theta ** (-torch.arange(half) / half)
    turned = torch.complex(x_THE[..., :half], x_THE[..., half:]) * torch.polar(torch.ones_like(angle), angle)
    return torch.cat((turned.real, turned.imag), -1)


def attention(q_THE: Tensor, k_SHE: Tensor, v_SHE: Tensor, keys: Keys) -> Tensor:
    out_THE = torch.zeros_like(q_THE)
    for t, seen in enumerate(keys):
        for head in range(q_THE.shape[1]):
            if len(seen):
                scores = torch.stack([q_THE[t, head] @ k_SHE[s, head] for s in seen]) / q_THE.shape[-1] ** 0.5
                out_THE[t, head] = torch.einsum("s,se->e", scores.softmax(0), v_SHE[list(seen), head])
    return out_THE


def block(layer: Block, x_TD: Tensor, keys: Keys, theta: float) -> Tensor:
    heads = layer.attention.heads
    q, k, v = (
        part.reshape(len(x_TD), heads, -1)
        for part in (normed(x_TD, layer.attention_norm) @ layer.attention.qkv.weight.T).chunk(3, -1)
    )
    x_TD = x_TD + attention(turned(q, theta), turned(k, theta), v, keys).flatten(1) @ layer.attention.out.weight.T
    gate, up = (normed(x_TD, layer.ffn_norm) @ layer.ffn.gate_up.weight.T).chunk(2, -1)
    return x_TD + (gate * gate.sigmoid() * up) @ layer.ffn.down.weight.T


def cross(layer: CrossAttention, x_TD: Tensor, memory_SD: Tensor, keys: Keys) -> Tensor:
    q = (normed(x_TD, layer.norm) @ layer.q.weight.T).reshape(len(x_TD), layer.heads, -1)
    k, v = (
        part.reshape(len(memory_SD), layer.heads, -1)
        for part in (normed(memory_SD, layer.memory_norm) @ layer.kv.weight.T).chunk(2, -1)
    )
    return x_TD + attention(q, k, v, keys).flatten(1) @ layer.out.weight.T


def latent_states(net: Latent, batch: Packed) -> Tensor:
    """Token states of one document before the last norm."""
    local, k, theta = net.local, net.config.queries, net.config.rope_theta
    tokens = range(len(batch.tokens_T))
    positions = range(len(batch.document_P))
    held = [[t for t in tokens if batch.patch_T[t] == p] for p in positions]
    closed = [[p for p in positions if held[p][-1] < t or (held[p][-1] == t and batch.closes_T[t])] for t in tokens]
    window = [[s for s in tokens if t - local.window < s <= t] for t in tokens]
    x_TL = net.embedding.weight[batch.tokens_T]
    states = [x_TL]
    for layer in net.encoder.layers:
        states.append(block(layer, states[-1], window, theta))
    if net.encoder.query is None:
        z_PD = torch.stack([x_TL[of].mean(0) for of in held])
    else:
        mean_PL = torch.stack([states[1][of].mean(0) for of in held])
        q_QL = (mean_PL @ net.encoder.query.weight.T).reshape(len(positions) * k, -1)
        reach = [[t for t in tokens if p - local.cross_window < batch.patch_T[t] <= p] for p in positions]
        of_queries = [reach[p] for p in positions for _ in range(k)]
        for gather, state_TL in zip(net.encoder.crosses, states[1:], strict=True):
            q_QL = cross(gather, q_QL, state_TL, of_queries)
        z_PD = torch.stack([torch.cat([q_QL[p * k + i] for i in range(k)]) for p in positions])
    for layer in net.global_transformer.layers:
        z_PD = block(layer, z_PD, [range(p + 1) for p in positions], theta)
    if not net.decoder.layers:
        return torch.stack([z_PD[of[-1]] if of else torch.zeros_like(z_PD[0]) for of in closed])
    memory_SL = torch.cat([state.chunk(k)[i][None] for state in z_PD for i in range(k)])
    usable = [[p * k + i for p in of[-local.cross_window :] for i in range(k)] for of in closed]
    h_TL = states[-1]
    for spread, layer in zip(net.decoder.crosses, net.decoder.layers, strict=True):
        h_TL = block(layer, cross(spread, h_TL, memory_SL, usable), window, theta)
    return h_TL


@pytest.mark.parametrize("cut", ["static", "aligned"])
@pytest.mark.parametrize("config", [LST, OWN_PATCH, NO_LAYERS, BASELINE], ids=["lst", "own", "no layers", "baseline"])
def test_the_formulas_give_the_logits(config, cut: Cut):
    net = model(config).double()
    rng = np.random.default_rng(3)
    doc = document(rng, [(True, 10), (False, 3), (True, 0), (True, 6)])
    doc = Document(tokens=doc.tokens[2:], words=doc.words[2:])  # begins inside a run of speech
    batch = packed([doc], Patcher(PatchingConfig(size=3)), "none" if config is BASELINE else cut, pad=False)
    with torch.no_grad():
        if isinstance(net, Latent):
            h_TL = latent_states(net, batch)
        else:
            h_TL = net.embedding.weight[batch.tokens_T]
            for layer in net.global_transformer.layers:
                h_TL = block(layer, h_TL, [range(t + 1) for t in range(len(h_TL))], config.rope_theta)
        expected_TV = normed(h_TL, net.norm) @ net.head.weight.T
    # The model's tables of angles are float32.
    torch.testing.assert_close(logits(net, batch), expected_TV, rtol=1e-5, atol=1e-5)
