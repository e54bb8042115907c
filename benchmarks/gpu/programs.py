"""Compilation, capture and synchronisation: no recompilation after the first epoch, no wait in a step."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import torch
from report import (
    CPU,
    CUDA,
    DEVICE,
    MODELS,
    QUICK,
    VOCABULARY,
    batch,
    checking,
    new_model,
    note,
    relative_error,
    seconds,
)
from torch._dynamo.utils import counters

from lst_cli.model.architectures import architecture
from lst_cli.model.decode.decoding import DecodingState
from lst_cli.model.model import build_model
from lst_cli.patching.static import Static
from lst_cli.training.engine.families import compile_layers


def compiled() -> None:
    """Training and validation with compiled layers: programs of the first epoch serve the second."""
    for family, config in MODELS.items():
        with checking("compile", family):
            torch._dynamo.reset()
            counters.clear()
            model, graphs = new_model(config, DEVICE), []
            compile_layers(model, dynamic=True, **({} if CUDA else {"backend": "eager"}))
            for _ in range(2):
                for seed in range(2 if QUICK else 6):
                    made = batch(config, seed, DEVICE)
                    with torch.autocast(DEVICE.type, torch.bfloat16):
                        model(made).total.backward()
                with torch.no_grad(), torch.autocast(DEVICE.type, torch.bfloat16):
                    model(batch(config, 99, DEVICE))
                graphs.append(counters["stats"]["unique_graphs"])
            limits = dict(counters["unimplemented"])
            # On a CPU every number of query blocks is a separate program.
            same = graphs[0] == graphs[1] and not limits if CUDA else None
            note("compile", f"{family}, the second epoch compiles nothing", same, graphs=graphs, unimplemented=limits)


def decoding() -> None:
    """Step by step as on the CPU; one wait a token."""
    for family, config in MODELS.items():
        with checking("decode", family):
            model = new_model(config, CPU).eval()
            rows = np.arange(3)
            here, there = (DecodingState(copy.deepcopy(model).to(d), VOCABULARY, Static(4), 3) for d in (DEVICE, CPU))
            prompts = [VOCABULARY.units_to_ids(np.arange(30 + 7 * row) % VOCABULARY.units) for row in rows]
            worst = relative_error(here.feed(rows, prompts), there.feed(rows, prompts))
            for step in range(8 if QUICK else 40):
                tokens = [VOCABULARY.units_to_ids(np.array([(7 * step + row) % VOCABULARY.units])) for row in rows]
                worst = max(worst, relative_error(here.feed(rows, tokens), there.feed(rows, tokens)))
            note("decode", f"{family}, step by step", worst < 5e-3, worst=worst)
            replayed = here.graphs.replayed if here.graphs is not None else 0
            note("decode", f"{family}, steps are replayed", replayed > 0 if CUDA else None, replayed=replayed)
            waits = _waits(here, rows, tokens) if CUDA else 0
            note("decode", f"{family}, a step does not wait", waits == 0 if CUDA else None, waits=waits)


def _waits(state: DecodingState, rows: np.ndarray, tokens: list[np.ndarray]) -> int:
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        state.feed(rows, tokens)
    torch.cuda.set_sync_debug_mode("default")
    return len(caught)


def step_graph() -> None:
    """One token of 32 rows of a 1.5 B-parameter model: launched, and replayed as a CUDA graph."""
    if not CUDA:
        note("step_graph", "launched against replayed", None, why="no GPU")
        return
    for name in ("baseline_1b", "lst_1b"):
        with torch.device(DEVICE):
            model = build_model(architecture(name), VOCABULARY.size).to(torch.bfloat16).eval()
        state, rows = DecodingState(model, VOCABULARY, Static(4), 32), np.arange(32)
        tokens = [VOCABULARY.units_to_ids(np.array([row])) for row in rows]
        state.feed(rows, [np.repeat(each, 300) for each in tokens])
        replayed = seconds(60, state.feed, rows, tokens)
        state.graphs = None
        launched = seconds(60, state.feed, rows, tokens)
        figures = {"launched_ms": launched * 1e3, "replayed_ms": replayed * 1e3}
        note("step_graph", f"{name}, a replayed step is faster", replayed < launched, **figures)
