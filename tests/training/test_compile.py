"""Compiled training: whole layers without graph breaks, few programs, and none made after the first epoch."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from lst_cli.inference.shared_prompt import Question, score
from lst_cli.model import attention
from lst_cli.model.batch import Batch, make_batch
from lst_cli.model.model import SpeechTextModel
from lst_cli.model.model_config import ModelConfig
from lst_cli.patching.strategies import Cut, Patcher, PatchingConfig
from lst_cli.training.engine.families import compile_layers
from tests.model.helpers import BASELINE, CPU, LST, VOCABULARY, document, model, packed


def batch(seed: int, config: ModelConfig, cut: Cut) -> Batch:
    """Some documents of random number and lengths."""
    rng = np.random.default_rng(seed)
    documents = [
        document(rng, [(True, int(rng.integers(3, 40))), (False, int(rng.integers(2, 20)))])
        for _ in range(int(rng.integers(3, 9)))
    ]
    return make_batch(packed(documents, Patcher(PatchingConfig()), cut, pad=False), config, VOCABULARY, CPU)


@pytest.fixture
def on_gpu(monkeypatch):
    """As on a GPU: block masks and compiled flex attention, traced as for any compiler and run by torch."""
    torch._dynamo.reset()
    counters.clear()
    flex = attention.compiled_flex(backend="aot_eager")
    monkeypatch.setattr(attention, "uses_flex", lambda device_type: True)
    monkeypatch.setattr(attention, "_flex", lambda device_type: flex)


@pytest.mark.parametrize(
    ("config", "cut", "autocast"),
    [(LST, "static", False), (LST, "aligned", True), (BASELINE, "none", True)],
    ids=["static", "aligned bfloat16", "baseline bfloat16"],
)
def test_a_layer_compiles_whole_and_not_again_from_batch_to_batch(monkeypatch, config, cut, autocast):
    batches = range(5)
    precision = torch.autocast("cpu", torch.bfloat16, enabled=autocast)
    eager = model(config)
    with torch.no_grad(), precision:
        expected = [float(eager(batch(seed, config, cut)).total) for seed in batches]
    monkeypatch.setattr(attention, "uses_flex", lambda device_type: True)
    torch._dynamo.reset()
    counters.clear()
    compiled = model(config)
    compile_layers(compiled, backend="eager", fullgraph=True, dynamic=True)  # fullgraph: a graph break is an error
    graphs = []
    for seed in batches:
        with precision:
            loss = compiled(batch(seed, config, cut)).total
        loss.backward()
        graphs.append(counters["stats"]["unique_graphs"])
        np.testing.assert_allclose(float(loss.detach()), expected[seed], rtol=0.01 if autocast else 1e-5)
    assert graphs[0] > 0 and graphs[2:] == [graphs[1]] * 3, graphs
    assert all(parameter.grad is not None for parameter in compiled.parameters())


def epoch(net: SpeechTextModel, config: ModelConfig, cut: Cut) -> int:
    """Training under autocast, validation, and stories in float32; the programs compiled so far."""
    for seed in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            loss = net(batch(seed, config, cut)).total
        loss.backward()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        net(batch(2, config, cut))
    rng = np.random.default_rng(0)
    for length in (40, 47):
        speech = [VOCABULARY.units_to_ids(rng.integers(0, 11, n)).astype(np.int32) for n in (length, 20, 15)]
        prompt_T = np.concatenate([[VOCABULARY.s_marker], speech[0]]).astype(np.int32)
        questions = [Question(prompt_T=prompt_T, endings=(speech[1], speech[2]))] * 3
        card = SimpleNamespace(cut=cut, vocabulary=VOCABULARY, patcher=Patcher(PatchingConfig()), architecture=config)
        with torch.inference_mode():
            score(net, card, questions, CPU)
    return counters["stats"]["unique_graphs"]


@pytest.mark.parametrize(
    ("config", "cut", "depths"), [(LST, "static", (2, 4)), (BASELINE, "none", (2,))], ids=["lst", "baseline"]
)
def test_training_validation_and_stories_share_few_programs(on_gpu, config, cut, depths):
    counts = []
    for layers in depths:
        torch._dynamo.reset()
        counters.clear()
        deeper = dataclasses.replace(config, layers=layers)
        net = model(deeper)
        compile_layers(net, backend="aot_eager", dynamic=True)
        first = epoch(net, deeper, cut)
        assert epoch(net, deeper, cut) == first, "the second epoch compiled again"
        # Beyond the limit torch falls back to the full scores; it notes that here.
        assert not counters["unimplemented"] and not counters["graph_break"]
        counts.append(first)
    assert len(set(counts)) == 1, "each layer has a program of its own"
    assert counts[0] < attention._PROGRAMS / 2


def test_beyond_the_limit_attention_raises_and_never_computes_the_full_scores(on_gpu, monkeypatch):
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 1)
    spans = attention.Spans.build(np.zeros(9, int), np.arange(9), 9, CPU)
    with pytest.raises(Exception, match="recompile_limit"):
        for heads, width in ((2, 8), (2, 16), (4, 32)):
            attention.attend(*(torch.randn(9, heads, width) for _ in range(3)), spans)
