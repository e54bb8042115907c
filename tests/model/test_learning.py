"""Gradients are right, and every family learns some utterances by heart."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lst_cli.patching.packed import IGNORE
from lst_cli.patching.strategies import Patcher, PatchingConfig
from tests.model.helpers import (
    BASELINE,
    LOCAL,
    LST,
    batch_for,
    document,
    model,
    packed,
    random_documents,
)

MINUTE = dataclasses.replace(
    LST, dim=8, heads=1, layers=1, local=dataclasses.replace(LOCAL, dim=4, heads=1, decoder_layers=1)
)


@pytest.mark.parametrize(
    ("config", "cut"),
    [(MINUTE, "static"), (MINUTE, "aligned"), (dataclasses.replace(MINUTE, family="baseline", local=None), "none")],
    ids=["static", "aligned", "baseline"],
)
def test_gradients_by_finite_differences(config, cut):
    net = model(config).double()
    batch = batch_for(net.config, packed(random_documents(0, n=2), Patcher(PatchingConfig(size=3)), cut, pad=False))
    names, parameters = zip(*net.named_parameters(), strict=True)

    def loss(*values):
        return torch.func.functional_call(net, dict(zip(names, values, strict=True)), (batch,)).total

    assert torch.autograd.gradcheck(loss, parameters, fast_mode=True)


@pytest.mark.parametrize(
    ("config", "cut"),
    [(LST, "static"), (LST, "aligned"), (BASELINE, "none")],
    ids=["static", "aligned", "baseline"],
)
def test_it_learns_32_utterances_by_heart(config, cut):
    rng = np.random.default_rng(9)
    documents = [document(rng, [(True, int(rng.integers(6, 12))), (False, 4)]) for _ in range(32)]
    # Many begin alike, and nothing could tell which of them goes on: the first four tokens are no targets.
    documents = [dataclasses.replace(item, loss_from=5) for item in documents]
    net = model(config).train()
    batch = batch_for(config, packed(documents, Patcher(PatchingConfig()), cut, pad=False))
    n = int((batch.targets_T != IGNORE).sum())
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    for _ in range(100):
        loss = net(batch).total / n
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    assert loss.item() < 0.05
