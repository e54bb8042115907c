"""The memory estimate counts what autograd keeps of real models."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lst_cli.model.architectures import architecture
from lst_cli.model.batch import make_batch
from lst_cli.model.cost import Workload, parameters
from lst_cli.model.model import build_model
from lst_cli.model.model_config import BlockConfig, LocalConfig, ModelConfig
from lst_cli.model.train_memory import GIB, Layers, activation_bytes, memory
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.patching.strategies import Cut, Patcher, PatchingConfig
from lst_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(pieces=300, units=50)
BASELINE = ModelConfig(family="baseline", layers=4, dim=128, heads=4)
GROUPED = dataclasses.replace(BASELINE, block=BlockConfig(kv_heads=2, ffn_dim=640))
LST = dataclasses.replace(
    BASELINE, family="lst", local=LocalConfig(dim=64, heads=4, encoder_layers=2, decoder_layers=3)
)


class _Flash(torch.autograd.Function):
    """Keeps what flex attention keeps: queries, keys, values, outputs and a sum for each query."""

    @staticmethod
    def forward(ctx: Any, q_THE: Tensor, k_SHE: Tensor, v_SHE: Tensor) -> Tensor:
        out_THE = torch.zeros_like(q_THE)
        ctx.save_for_backward(q_THE, k_SHE, v_SHE, out_THE, q_THE.new_zeros(q_THE.shape[:2], dtype=torch.float32))
        return out_THE

    @staticmethod
    def backward(ctx: Any, grad_THE: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, k_SHE, v_SHE, *_ = ctx.saved_tensors
        return grad_THE, torch.zeros_like(k_SHE), torch.zeros_like(v_SHE)


def _flash(q_THE: Tensor, k_SKE: Tensor, v_SKE: Tensor, _: object) -> Tensor:
    out: Tensor = _Flash.apply(q_THE, k_SKE, v_SKE)  # type: ignore[no-untyped-call]
    return out


def kept_bytes(config: ModelConfig, layers: Layers, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Workload]:
    """Bytes of the storages that autograd keeps of a forward pass in bfloat16, without weights; and its workload."""
    monkeypatch.setattr("lst_cli.model.layers.attend", _flash)
    torch.manual_seed(0)
    model = build_model(config, VOCABULARY.size).to(torch.bfloat16)
    if layers == "checkpointed":
        for stack in [each for each in model.modules() if isinstance(each, nn.ModuleList)]:
            for layer in stack:
                forward = layer.forward
                layer.forward = lambda *args, run=forward: checkpoint(run, *args, use_reentrant=False)
    speech = VOCABULARY.speech_start + np.arange(255) % 50
    documents = [Document(tokens=np.r_[VOCABULARY.s_marker, speech]) for _ in range(2)]
    cut: Cut = "none" if config.local is None else "static"
    packed = pack_documents(documents, VOCABULARY, Patcher(PatchingConfig(strategy=cut)), cut)
    batch = make_batch(packed, config, VOCABULARY, torch.device("cpu"))
    owned = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            kept[storage.data_ptr()] = storage  # held, so that no other takes its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(batch)
    work = Workload(positions=len(packed.document_P), tokens=len(packed.tokens_T), context=256)
    return sum(storage.nbytes() for storage in kept.values()), work


@pytest.mark.parametrize("config", [BASELINE, GROUPED, LST], ids=["baseline", "grouped", "lst"])
def test_activations_are_what_autograd_keeps(config: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, work = kept_bytes(config, "eager", monkeypatch)
    # Not counted: rotary tables, masks, norms' scales, the last norm and the gradients of the loss.
    assert activation_bytes(config, work, "eager") == pytest.approx(kept, rel=0.1)
    assert activation_bytes(config, work, "eager") < kept


def test_a_layer_more_keeps_what_is_counted_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, work = kept_bytes(BASELINE, "eager", monkeypatch)
    deeper = dataclasses.replace(BASELINE, layers=5)
    more, _ = kept_bytes(deeper, "eager", monkeypatch)
    counted = activation_bytes(deeper, work, "eager") - activation_bytes(BASELINE, work, "eager")
    assert more - kept == pytest.approx(counted, rel=0.02)


def test_checkpointed_layers_keep_their_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, work = kept_bytes(BASELINE, "checkpointed", monkeypatch)
    counted = activation_bytes(BASELINE, work, "checkpointed")
    # One layer is recomputed at a time, in the backward pass.
    one = dataclasses.replace(BASELINE, layers=1)
    assert counted - activation_bytes(one, work, "eager") < kept < counted
    assert counted < activation_bytes(BASELINE, work, "compiled") < activation_bytes(BASELINE, work, "eager")


def test_sharding_divides_the_states_and_gathers_layers() -> None:
    config, vocabulary = architecture("lst_1b"), 32_503
    total = sum(parameters(config, vocabulary).values())
    work = Workload(positions=4096, tokens=5000, context=4096)
    needs = memory(config, vocabulary, work, 32, layers="compiled")
    assert needs.states * GIB == 16 * total / 32
    # Embedding, head, norm and the encoder's first queries are whole in bfloat16, and two layers.
    block = 4 * 2048**2 + 3 * 2048 * 5632 + 2 * 2048
    assert needs.gathered * GIB == 2 * (2 * vocabulary * 1024 + 1024 + 2 * 1024**2 + 2 * block)
    alone = memory(config, vocabulary, work, 1, layers="compiled")
    assert alone.states == 32 * needs.states and alone.gathered * GIB == 2 * total
    assert alone.total == alone.states + alone.gathered + alone.activations + alone.logits
    exact = memory(config, vocabulary, work, 1, layers="compiled", float32=True)
    assert exact.gathered == 0 and exact.activations == 2 * alone.activations
