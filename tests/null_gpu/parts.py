"""What runs in a process that takes this machine for one with GPUs: ``python -m tests.null_gpu.parts PART``."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from lst_cli.model import attention, loss
from lst_cli.model.attention import Spans, attend
from lst_cli.model.batch import make_batch
from lst_cli.model.decode.decoding import DecodingState
from lst_cli.model.decode.step_graph import cuda_recorder
from lst_cli.model.model_config import BlockConfig
from lst_cli.patching.strategies import Patcher, PatchingConfig
from tests.model.helpers import BASELINE, BYPASS, LST, VOCABULARY, model, packed, patcher_for, random_documents

GPU = torch.device("cuda:1")
"""Not the current one: a rank's GPU need not be."""
CONFIGS = {
    "lst": (LST, "static"),
    "bypass": (BYPASS, "static"),
    "baseline": (BASELINE, "none"),
    "text model": (dataclasses.replace(BASELINE, block=BlockConfig(kv_heads=1, qkv_bias=True, qk_norm=True)), "none"),
}


def _kernel(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, block_mask: Any, enable_gqa: bool) -> torch.Tensor:
    """In the place of flex attention, which fake tensors can't run: checks what it is given."""
    bounds = [cell.cell_contents for cell in block_mask.mask_mod.__closure__]
    assert {each.device for each in (q, k, v, block_mask.kv_indices, block_mask.q_indices, *bounds)} == {GPU}
    assert q.dtype == k.dtype == v.dtype and (enable_gqa or q.shape[1] == k.shape[1])
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v)


def _fake() -> FakeTensorMode:
    """Tensors without contents, whose operations check devices and types; a mixture of devices is an error."""
    torch.Tensor.pin_memory = lambda self, *_: self  # type: ignore[assignment]
    attention._flex = lambda device_type: _kernel  # type: ignore[assignment]
    loss._chunk_loss = lambda device_type: loss.chunk_loss  # type: ignore[assignment]
    return FakeTensorMode(allow_non_fake_inputs=True)


def training() -> dict[str, Any]:
    """A training step, a validation and a step with a differentiable loss of every kind of model."""
    made = []
    for name, (config, cut) in CONFIGS.items():
        for precision in ("float32", "autocast", "bfloat16"):
            with _fake():
                net = model(config).to(GPU, torch.bfloat16 if precision == "bfloat16" else torch.float32).train()
                optimizer = torch.optim.AdamW(net.parameters(), fused=True)
                batch = make_batch(packed(random_documents(3), Patcher(PatchingConfig()), cut), config, VOCABULARY, GPU)
                for differentiable in (False, True):
                    with torch.autocast("cuda", torch.bfloat16, enabled=precision == "autocast"):
                        total = net(batch, differentiable=differentiable).total
                    total.backward()
                    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                    assert all(each.grad is not None and each.grad.device == GPU for each in net.parameters())
                    optimizer.step()
                with torch.no_grad():
                    assert net.log_probability(batch).device == GPU
            made.append(f"{name} {precision}")
    return {"made": made}


def decoding() -> dict[str, Any]:
    """Prompts, steps that are recorded and replayed, copies of rows, and scores."""
    replayed = {}
    for name, (config, cut) in CONFIGS.items():
        with _fake():
            net, rows = model(config).to(GPU, torch.bfloat16), np.arange(3)
            rule = patcher_for(cut, size=4).rule(cut)
            state = DecodingState(net, VOCABULARY, rule, 3, lambda work: (work(), lambda: None))
            units = VOCABULARY.units_to_ids(np.arange(9) % VOCABULARY.units)
            prompts = [np.concatenate([[VOCABULARY.s_marker], units[: 5 + row]]) for row in rows]
            assert state.feed(rows, prompts).device == GPU
            for _ in range(6):
                state.feed(rows, [units[:1]] * 3)
            assert state.graphs is not None
            replayed[name] = state.graphs.replayed
            state.feed(rows[1:], [units[:1]] * 2)
            other = state.select(np.array([0, 0, 2]))
            other.feed(rows, [np.array([VOCABULARY.t_marker, 7])] * 3)
            assert {each.device for each in other.score(rows, [units[:2]] * 3)} == {GPU}
    return {"replayed": replayed}


def capture() -> dict[str, Any]:
    """Record on another GPU than the current one."""
    x = torch.ones(4, device=GPU)
    seen = []

    def work() -> tuple[torch.Tensor]:
        seen.append((torch.cuda.current_device(), torch.cuda.is_current_stream_capturing()))
        return (x + 1,)

    outputs, replay = cuda_recorder(GPU)(work)
    replay()
    return {"seen": seen, "device": str(outputs[0].device), "after": torch.cuda.current_device()}


def kernels(dtype: str, width: str, kv_heads: str) -> dict[str, Any]:
    """Compile flex attention's kernels, forward and backward."""
    import torch._inductor.config
    import triton

    torch._inductor.config.compile_threads = 1
    made, plain = [], triton.compile

    def compiled(*arguments: Any, **options: Any) -> Any:
        kernel = plain(*arguments, **options)
        made.append((kernel.metadata.name, kernel.metadata.target.arch, len(kernel.asm["cubin"])))
        return kernel

    triton.compile = compiled
    spans = Spans.build(np.zeros(1000, int), np.arange(1000), 1000, torch.device("cuda:0"))
    q, k, v = (
        torch.empty(1000, heads, int(width), device="cuda:0", dtype=getattr(torch, dtype), requires_grad=True)
        for heads in (4, int(kv_heads), int(kv_heads))
    )
    attend(q, k, v, spans).sum().backward()
    return {"made": made}


if __name__ == "__main__":
    PARTS: dict[str, Any] = {"training": training, "decoding": decoding, "capture": capture, "kernels": kernels}
    print(json.dumps(PARTS[sys.argv[1]](*sys.argv[2:])))
