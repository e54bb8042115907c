"""The model families under FSDP's mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from lst_cli.model import layers
from lst_cli.model.batch import make_batch
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.training.engine.families import _apply_fsdp
from tests.model.helpers import CPU, LST, VOCABULARY, model, packed, random_documents


@pytest.fixture
def one_process() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_rotary_tables_stay_float32_where_weights_are_bfloat16(
    one_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FSDP casts the tensors of a layer's arguments to the type of its weights."""
    mesh, policy = init_device_mesh("cpu", (1,)), MixedPrecisionPolicy(torch.bfloat16, torch.float32)

    def wrapper(module: Any, reshard_after_forward: bool | None = None) -> Any:
        return fully_shard(module, mesh=mesh, mp_policy=policy)

    seen = set()

    def rotate(x_THE: torch.Tensor, table: layers.RotaryTable) -> torch.Tensor:
        seen.add((x_THE.dtype, table.cos_T1E.dtype, table.sin_T1E.dtype))
        return original(x_THE, table)

    original = layers.rotate
    monkeypatch.setattr(layers, "rotate", rotate)
    net = _apply_fsdp(model(LST).train(), "layer", wrapper)
    batch = make_batch(packed(random_documents(3), Patcher(PatchingConfig()), "static"), LST, VOCABULARY, CPU)
    net(batch).total.backward()
    assert seen == {(torch.bfloat16, torch.float32, torch.float32)}
