"""Operations counted from shapes are those that torch counts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lst_cli.model.architectures import architecture
from lst_cli.model.batch import make_batch
from lst_cli.model.cost import train_flops
from lst_cli.model.model import build_model
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.text.vocabulary import Vocabulary
from lst_cli.training.budget import flops

VOCABULARY = Vocabulary(pieces=100, units=50)


@pytest.mark.parametrize("name", ["lst_tiny", "baseline_tiny"])
def test_products_of_a_forward_pass(name: str) -> None:
    config = dataclasses.replace(architecture(name), layers=2)
    documents = [
        Document(tokens=np.array([VOCABULARY.s_marker, *range(VOCABULARY.speech_start, VOCABULARY.speech_start + n)]))
        for n in (9, 30, 14)
    ]
    patching = Patcher(PatchingConfig(strategy="none" if config.local is None else "static"))
    packed = pack_documents(documents, VOCABULARY, patching, "none" if config.local is None else "static")
    batch = make_batch(packed, config, VOCABULARY, torch.device("cpu"))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        build_model(config, VOCABULARY.size)(batch)
    products = counter.get_flop_counts()["Global"]
    counted = sum(n for op, n in products.items() if str(op) in ("aten.mm", "aten.addmm"))
    # Attention is estimated; without it the count is exact.
    counts = flops.workload(float(len(packed.tokens_T)), np.bincount(packed.document_P))
    without_attention = dataclasses.replace(counts, context=0.0)
    assert train_flops(config, VOCABULARY.size, without_attention) == 3 * counted
    assert flops.step_flops(packed, config, VOCABULARY) == train_flops(config, VOCABULARY.size, counts)
