"""Is it right: attention, logits, gradients and losses on the device against the CPU in double precision."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator

import numpy as np
import torch
from report import CPU, CUDA, DEVICE, MODELS, QUICK, batch, checking, new_model, note, relative_error, seconds, wait

from lst_cli.model.attention import Spans, attend
from lst_cli.model.model_config import ModelConfig


def environment() -> None:
    """Packages, and the rates that the other figures are measured against."""
    note("env", "torch", True, torch=torch.__version__, gpu=torch.cuda.get_device_name() if CUDA else "none")
    for name in ("fairseq2.recipe", "transformers", "faiss", "soundfile", "sentencepiece", "triton"):
        with checking("env", f"import {name}"):
            importlib.import_module(name)
    for name, error in _float32_errors().items():
        # TF32 keeps 10 bits: an error of about 3e-4.
        note("env", f"float32 is exact: {name}", error < 1e-5, error=error)
    n = 8192 if CUDA else 512
    for dtype in (torch.bfloat16, torch.float32):
        a, b = (torch.randn(n, n, device=DEVICE, dtype=dtype) for _ in range(2))
        note("env", f"matmul {dtype}", None, tflop_per_s=2 * n**3 / seconds(10, torch.mm, a, b) / 1e12)
    host = torch.empty(1 << 22)
    pinned = host.pin_memory() if CUDA else host
    for name, source in (("pageable", host), ("pinned", pinned)):
        rate = source.nbytes / seconds(20, source.to, DEVICE, non_blocking=True) / 1e9
        note("env", f"host to device, {name}", None, gb_per_s=rate)


def _float32_errors() -> dict[str, float]:
    """Relative error of a matrix product and of a convolution in float32, against float64 on the CPU."""
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(256, 256, generator=generator) for _ in range(2))
    signal, kernel = x.view(1, 64, 1024), weight.view(64, 64, 16)
    found = {"matrix product": (x.to(DEVICE) @ weight.to(DEVICE), x.double() @ weight.double())}
    here = torch.nn.functional.conv1d(signal.to(DEVICE), kernel.to(DEVICE))
    found["convolution"] = (here, torch.nn.functional.conv1d(signal.double(), kernel.double()))
    return {name: relative_error(got, expected) for name, (got, expected) in found.items()}


def _patterns() -> Iterator[tuple[str, np.ndarray, np.ndarray, int]]:
    rng = np.random.default_rng(0)
    for queries, keys in ((1, 1), (127, 127), (128, 128), (129, 300), (1000, 1000), (2049, 4097)):
        if QUICK and queries > 300:
            continue
        last = np.minimum(np.arange(queries) * keys // queries, keys - 1)
        yield f"causal {queries} x {keys}", np.zeros(queries, int), last, keys
        yield f"window {queries} x {keys}", np.maximum(0, last - 100), last, keys
        low = rng.integers(0, keys, queries)
        yield f"ragged {queries} x {keys}", low, np.minimum(keys - 1, low + rng.integers(-3, 60, queries)), keys


def attention() -> None:
    """Forward and backward pass of every mask, in float32 and bfloat16."""
    for width in (32, 64, 128):
        worst = {torch.float32: 0.0, torch.bfloat16: 0.0}
        for name, low, high, keys in _patterns():
            with checking("attention", f"width {width}, {name}"):
                inputs = [torch.randn(n, 4, width, dtype=torch.float64) for n in (len(low), keys, keys)]
                expected = [x.clone().requires_grad_() for x in inputs]
                out = attend(*expected, Spans.build(low, high, keys, CPU))
                towards = torch.randn_like(out)
                out.backward(towards)
                for dtype in worst:
                    found = [x.to(DEVICE, dtype).requires_grad_() for x in inputs]
                    got = attend(*found, Spans.build(low, high, keys, DEVICE))
                    got.backward(towards.to(DEVICE, dtype))
                    pairs = [(got, out), *((x.grad, y.grad) for x, y in zip(found, expected, strict=True))]
                    worst[dtype] = max(worst[dtype], *(relative_error(a, b) for a, b in pairs))
        for dtype, error in worst.items():
            allowed = 5e-3 if dtype == torch.float32 else 2e-2
            note("attention", f"width {width}, {dtype}, forward and backward", error < allowed, worst=error)


def models() -> None:
    """Logits and gradients of every family."""
    settings = ((torch.float32, False, 2e-3), (torch.float32, True, 5e-2), (torch.bfloat16, False, 8e-2))
    for family, config in MODELS.items():
        with checking("model", family):
            reference, on_cpu = new_model(config, CPU).double(), batch(config, 0, CPU)
            logits = reference.logits(on_cpu)
            reference(on_cpu).total.backward()
            for dtype, autocast, allowed in settings:
                model, moved = copy.deepcopy(reference).to(DEVICE, dtype), batch(config, 0, DEVICE)
                model.zero_grad()
                with torch.autocast(DEVICE.type, torch.bfloat16, enabled=autocast):
                    found, loss = model.logits(moved), model(moved).total
                loss.backward()
                gradients = torch.cat([x.grad.flatten().double().cpu() for x in model.parameters()])
                expected = torch.cat([x.grad.flatten() for x in reference.parameters()])
                errors = {"logits": relative_error(found, logits), "gradients": relative_error(gradients, expected)}
                label = "autocast bfloat16" if autocast else str(dtype)
                note("model", f"{family}, {label}", max(errors.values()) < allowed, **errors)


def losses(config: ModelConfig, device: torch.device, dtype: torch.dtype, steps: int) -> np.ndarray:
    """The loss of each of some optimizer steps."""
    model = new_model(config, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=device.type == "cuda")
    found = []
    for step in range(steps):
        made = batch(config, step, device)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            loss = model(made).total / len(made.tokens_T)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss.detach())
    wait()
    return torch.stack(found).double().cpu().numpy()


def training() -> None:
    """Twenty steps here and on the CPU lead to the same losses."""
    steps = 4 if QUICK else 20
    for family, config in MODELS.items():
        with checking("train", family):
            expected = losses(config, CPU, torch.float32, steps)
            for dtype, allowed in ((torch.float32, 5e-3), (torch.bfloat16, 4e-2)):
                worst = float(np.abs(losses(config, DEVICE, dtype, steps) - expected).max())
                note("train", f"{family}, {steps} losses, {dtype}", worst < allowed, worst=worst)
