"""Compiled training: whole layers without graph breaks, and no compiling from batch to batch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from lst_cli.model import attention
from lst_cli.model.attention import Spans
from lst_cli.model.batch import Batch, make_batch
from lst_cli.model.model_config import ModelConfig
from lst_cli.patching.strategies import Cut, PatchingConfig
from lst_cli.training.engine.families import _compile
from tests.model.helpers import BASELINE, CPU, LST, VOCABULARY, document, model, packed


def batch(seed: int, config: ModelConfig, cut: Cut) -> Batch:
    """Some documents of random number and lengths."""
    rng = np.random.default_rng(seed)
    documents = [
        document(rng, [(True, int(rng.integers(3, 40))), (False, int(rng.integers(2, 20)))])
        for _ in range(int(rng.integers(3, 9)))
    ]
    return make_batch(packed(documents, PatchingConfig(), cut, pad=False), config, VOCABULARY, CPU)


@pytest.mark.parametrize(
    ("config", "cut", "autocast"),
    [(LST, "static", False), (LST, "aligned", True), (BASELINE, "none", True)],
    ids=["static", "aligned bfloat16", "baseline bfloat16"],
)
def test_a_layer_compiles_whole_and_not_again_from_batch_to_batch(monkeypatch, config, cut, autocast):
    # As on a GPU, with the block masks of flex attention. The program is traced as for any compiler, and run by torch.
    plain = Spans.build.__func__

    def build(cls, low_T, high_T, keys, device):
        spans = plain(cls, low_T, high_T, keys, device)
        return dataclasses.replace(spans, cpu_blocks=(), block_mask=attention.flex_block_mask(spans, low_T, high_T))

    batches = range(6)
    precision = torch.autocast("cpu", torch.bfloat16, enabled=autocast)
    eager = model(config)
    with torch.no_grad(), precision:
        expected = [float(eager(batch(seed, config, cut)).total) for seed in batches]
    monkeypatch.setattr(Spans, "build", classmethod(build))
    torch._dynamo.reset()
    counters.clear()
    compiled = model(config)
    _compile(compiled, backend="eager", fullgraph=True)  # fullgraph: a graph break is an error
    graphs = []
    for seed in batches:
        with precision:
            loss = compiled(batch(seed, config, cut)).total
        loss.backward()
        graphs.append(counters["stats"]["unique_graphs"])
        np.testing.assert_allclose(float(loss.detach()), expected[seed], rtol=0.01 if autocast else 1e-5)
    # Sizes become variables at the second batch; from then on there is one program for all.
    assert graphs[0] > 0 and graphs[2:] == [graphs[1]] * 4
    assert all(parameter.grad is not None for parameter in compiled.parameters())
