"""Arrays reach a device in one copy, and a training step asks the device for nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lst_cli.model import attention
from lst_cli.model.batch import StagedBatch, make_batch
from lst_cli.model.upload import Upload
from lst_cli.patching.strategies import Patcher, PatchingConfig
from tests.model.helpers import BASELINE, BYPASS, CPU, LST, VOCABULARY, Copies, model, packed, random_documents


def test_a_buffer_holds_every_array_and_can_be_filled_again():
    arrays = [np.arange(5), np.zeros((0, 3)), np.eye(3, dtype=bool), np.arange(6).reshape(2, 3) - 2]
    dtypes = [np.int64, np.int64, np.int64, np.int32]

    def made(factor: int) -> Upload:
        upload = Upload()
        assert [upload.add(a * factor, t) for a, t in zip(arrays, dtypes, strict=True)] == [0, 1, 2, 3]
        return upload

    buffer = made(1).copy(CPU)
    for factor in (1, 3):
        made(factor).refill(buffer)
        sent = made(1).views(buffer)
        for number, array in enumerate(arrays):
            np.testing.assert_array_equal(sent(number).numpy(), array * factor)


@pytest.mark.parametrize(("config", "cut"), [(LST, "static"), (LST, "aligned"), (BYPASS, "static"), (BASELINE, "none")])
def test_a_training_step_is_one_copy_and_reads_nothing_back(monkeypatch, config, cut):
    """The meta device stands for a GPU, with its block masks: whatever needs a value of a tensor is an error there."""
    made = packed(random_documents(3), Patcher(PatchingConfig()), cut)
    on_cpu = make_batch(made, config, VOCABULARY, CPU)
    monkeypatch.setattr(attention, "uses_flex", lambda device_type: device_type == "meta")
    # What the compiled kernel gives is a tensor of the queries' shape that depends on all three.
    monkeypatch.setattr(
        attention, "_flex", lambda device_type: lambda q, k, v, **_: q + k.sum(2, True) + v.sum(2, True)
    )
    meta = torch.device("meta")
    net = model(config).to(meta).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    staged = StagedBatch(made, config, VOCABULARY, "meta")
    with Copies() as copies:
        batch = staged.to(meta)
    assert copies.to_device == 1
    assert batch.tokens_T.shape == on_cpu.tokens_T.shape and batch.positions_P.block_mask is not None
    with Copies() as copies:
        net(batch).total.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    assert copies.to_device == 0
    assert all(parameter.grad is not None for parameter in net.parameters())
