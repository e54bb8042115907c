"""A packed model answers as the model that it was made of."""

from __future__ import annotations

import copy

import pytest
import torch

from lst_cli.model.decode.inference_weights import pack
from lst_cli.patching.packed import Document
from lst_cli.patching.strategies import Patcher, PatchingConfig
from tests.model.helpers import BASELINE, LST, VOCABULARY, batch_for, model, packed


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("config", [BASELINE, LST])
def test_equal_logits(config, dtype):
    plain = model(config).to(dtype)
    small = copy.deepcopy(plain)
    pack(small)
    tokens = VOCABULARY.units_to_ids(torch.arange(60).numpy() % VOCABULARY.units)
    cut = "none" if config.local is None else "static"
    batch = batch_for(config, packed([Document(tokens=tokens)], Patcher(PatchingConfig(size=4)), cut))
    with torch.no_grad():
        expected, found = plain.logits(batch), small.logits(batch)
    assert found.dtype == dtype
    if dtype == torch.float32:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    else:
        assert torch.equal(found, expected)


def test_keeps_no_second_copy_of_the_weights():
    network = model(LST)
    pack(network)
    names = {name for name, _ in network.named_parameters()}
    assert "embedding.weight" in names and not any("qkv" in name or "head" in name for name in names)
