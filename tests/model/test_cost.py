"""Counted costs against the paper's figures and against torch's own counter."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lst_cli.model.architectures import architecture
from lst_cli.model.cost import Workload, forward_flops, memory, parameters, train_flops
from lst_cli.patching.packed import Document
from lst_cli.patching.strategies import PatchingConfig
from tests.model.helpers import BASELINE, LOCAL, LST, VOCABULARY, batch_for, model, packed

PAPER_VOCABULARY = 32_503


def test_the_latent_model_saves_a_fifth_on_the_papers_mixture():
    """Table 13: 3.00 units of data are 2.42 positions for the latent model; Table 4: 19.3% less compute."""
    baseline = train_flops(
        architecture("baseline_1b"), PAPER_VOCABULARY, Workload(positions=3.0, tokens=3.0, context=4096)
    )
    latent = train_flops(architecture("lst_1b"), PAPER_VOCABULARY, Workload(positions=2.42, tokens=3.0, context=4096))
    # The paper's 20% is the ratio of global positions; the local layers, counted here too, take some of it back.
    assert 0.02 < 1 - latent / baseline < 0.20
    share = forward_flops(architecture("lst_1b"), PAPER_VOCABULARY, Workload(positions=2.42, tokens=3.0, context=4096))
    alone = forward_flops(
        architecture("baseline_1b"), PAPER_VOCABULARY, Workload(positions=3.0, tokens=3.0, context=4096)
    )
    assert share["global_transformer"] / alone["global_transformer"] == pytest.approx(2.42 / 3.00)


@pytest.mark.parametrize("config", [BASELINE, dataclasses.replace(LST, local=dataclasses.replace(LOCAL, window=8))])
def test_counts_agree_with_torch_apart_from_attention(config):
    net = model(config)
    tokens = VOCABULARY.units_to_ids(torch.arange(120).numpy() % VOCABULARY.units)
    cut = "none" if config.local is None else "static"
    batch = batch_for(config, packed([Document(tokens=tokens)], PatchingConfig(size=4), cut, pad=False))
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net.logits(batch)
    # Attention is made of batched products, all else of plain ones.
    products = sum(n for op, n in counter.get_flop_counts()["Global"].items() if "bmm" not in str(op))
    # With no context there is no cost of attention in the count.
    work = Workload(positions=len(batch.position_P), tokens=len(tokens), context=0)
    assert sum(forward_flops(config, VOCABULARY.size, work).values()) == pytest.approx(products)


def test_parameters_and_memory():
    counts = parameters(architecture("baseline_1b"), PAPER_VOCABULARY)
    assert sum(counts.values()) == pytest.approx(1.42e9, rel=0.05)
    work = Workload(positions=4 * 4096, tokens=4 * 4096, context=4096)
    whole = memory(architecture("baseline_1b"), PAPER_VOCABULARY, work, 1, checkpointing=False)
    shared = memory(architecture("baseline_1b"), PAPER_VOCABULARY, work, 32, checkpointing=True)
    assert whole.states == pytest.approx(32 * shared.states) and whole.states == pytest.approx(
        1.42 * 16 / 1.074, rel=0.05
    )
    assert shared.total < 10 < whole.total
