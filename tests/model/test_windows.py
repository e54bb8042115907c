"""Attention reaches as far as the windows say, and no further."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lst_cli.model.architectures import architecture
from lst_cli.model.layout import DocumentAxis, closed_patches, patch_tokens
from lst_cli.model.model import Latent
from lst_cli.patching.packed import Document
from lst_cli.patching.strategies import Patcher, PatchingConfig
from tests.model.helpers import (
    LOCAL,
    LST,
    VOCABULARY,
    batch_for,
    model,
    packed,
    random_documents,
)


def test_windows_are_honoured():
    batch = packed(random_documents(3), Patcher(PatchingConfig(size=3)), "static", pad=False)
    low, high = DocumentAxis.of(batch.document_T).causal(window=6)
    assert ((high - low + 1) <= 6).all() and (batch.document_T[low] == batch.document_T[high]).all()
    rows_P = DocumentAxis.of(batch.document_P)
    low, high = patch_tokens(batch, rows_P, cross_window=1, queries=2)
    for query, (first, last) in enumerate(zip(low, high, strict=True)):
        assert np.flatnonzero(batch.patch_T == query // 2).tolist() == list(range(first, last + 1))
    low, high = closed_patches(batch, rows_P, cross_window=3, queries=2)
    for token, (first, last) in enumerate(zip(low, high, strict=True)):
        usable = [
            patch
            for patch in np.unique(batch.patch_T[: token + 1])
            if batch.document_P[patch] == batch.document_T[token]
            and (patch < batch.patch_T[token] or batch.closes_T[token])
        ][-3:]
        assert [key // 2 for key in range(first, last + 1)] == [patch for patch in usable for _ in range(2)]


def test_the_papers_windows_hold_512():
    local = architecture("lst_1b").local
    assert local is not None and local.window == local.cross_window == 512 and local.pooled_patches == 1
    documents = [Document(tokens=np.full(2500, VOCABULARY.speech_start))] * 2
    batch = packed(documents, Patcher(PatchingConfig()), "static", pad=False)
    rows_P = DocumentAxis.of(batch.document_P)
    place_T = DocumentAxis.of(batch.document_T).position
    low, high = DocumentAxis.of(batch.document_T).causal(local.window)
    assert (high - low + 1).tolist() == np.minimum(place_T + 1, 512).tolist()
    low, high = patch_tokens(batch, rows_P, local.pooled_patches, queries=2)
    assert set((high - low + 1).tolist()) == {4}
    low, high = closed_patches(batch, rows_P, local.cross_window, queries=2)
    assert (high - low + 1).tolist() == (2 * np.minimum((place_T + 1) // 4, 512)).tolist()


@pytest.mark.parametrize("reach", [1, 3])
def test_nothing_comes_from_outside_of_the_windows(reach):
    """One encoder layer: a token's id moves the states of its window, and the patches whose tokens or reach hold it."""
    local = dataclasses.replace(LOCAL, encoder_layers=1, cross_window=reach)
    net = model(dataclasses.replace(LST, local=local))
    assert isinstance(net, Latent)
    tokens, t = np.full(60, VOCABULARY.speech_start), 21
    batches = []
    for unit in (0, 5):
        tokens[t] = VOCABULARY.speech_start + unit
        batches.append(packed([Document(tokens=tokens.copy())], Patcher(PatchingConfig(size=4)), "static", pad=False))
    with torch.no_grad():
        (before_TL, before_PD), (after_TL, after_PD) = (net.encoded(batch_for(net.config, batch)) for batch in batches)
    moved_T, moved_P = (before_TL != after_TL).any(1), (before_PD != after_PD).any(1)
    assert moved_T.nonzero()[:, 0].tolist() == list(range(t, t + local.window))
    # Tokens 21 to 26 stand in patches 5 and 6.
    assert moved_P.nonzero()[:, 0].tolist() == list(range(5, 6 + reach))
