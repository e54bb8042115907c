"""How fast a training step is: baseline and LST at equal positions and at equal data, against a large matrix product.

Rows (in the JSON of the last line): positions/s, tokens/s, FLOPs by count (``lst_cli.model.cost``), MFU (their
rate as a share of a large matrix product's, measured in the same run), peak memory, and the time the host takes to
stage a batch (``stage_s``; training does it in the reader's thread). A step is forward and backward pass, clipping and
AdamW, made by training's own functions.

    python benchmarks/train_step.py                       # on CPU: lst_tiny, and the shape of a 26 M-parameter peer
    python benchmarks/train_step.py --quick
    python benchmarks/train_step.py --size 1b --positions 4096 --sequences 4 --dtype bfloat16    # one H100
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lst_cli.distributed.device import pick_device
from lst_cli.hashing import integers, uniform
from lst_cli.model.architectures import architecture
from lst_cli.model.batch import Batch, StagedBatch
from lst_cli.model.model import build_model
from lst_cli.model.model_config import LocalConfig, ModelConfig
from lst_cli.patching.packed import Document, Packed, pack_documents
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.text.vocabulary import Vocabulary
from lst_cli.training.budget.flops import step_flops
from lst_cli.training.config.train_config import OptimizerSection, RunSection
from lst_cli.training.engine.device_defaults import adamw, compiles
from lst_cli.training.engine.families import compile_layers

PEER = ModelConfig(
    family="lst",
    layers=6,
    dim=512,
    heads=8,
    local=LocalConfig(dim=256, heads=4, encoder_layers=1, decoder_layers=3),
)
"""The shape at which the authors' code was measured on two cores: 2.35 s a step of 2 x 1,024 tokens, 74% speech."""


@dataclass(frozen=True)
class Case:
    """One row of the result."""

    name: str
    patching: str
    config: ModelConfig
    setting: str
    """The quantity that is equal for all models: ``positions`` or ``tokens``; ``peer`` for the peer's shape."""


def document(number: int, tokens: int, speech: float, vocabulary: Vocabulary) -> Document:
    """An interleaved document of this many tokens: text spans of 24 pieces, speech spans by the share wanted."""
    run = max(1, round(24 * speech / (1 - speech)))
    place = np.arange(tokens)
    in_pair = place % (24 + run + 2)
    units = integers(0, vocabulary.units - 1, 1, number, place)
    pieces = integers(3, vocabulary.pieces - 1, 2, number, place)
    ids = np.where(in_pair < run + 1, vocabulary.speech_start + units, pieces)
    ids[in_pair == 0] = vocabulary.s_marker
    ids[in_pair == run + 1] = vocabulary.t_marker
    words = np.cumsum(uniform(3, number, place) < 1 / 6)
    return Document(tokens=ids, words=words)


def packed_batch(case: Case, options: argparse.Namespace, vocabulary: Vocabulary) -> Packed:
    """Documents of the context's length, up to the positions or the tokens of a step."""
    cut: Any = case.patching
    config = Patcher(PatchingConfig(size=options.patch))
    sequences = []
    for number in range(options.sequences):
        whole = document(
            number,
            options.positions * (options.patch if case.setting == "positions" else 1),
            options.speech,
            vocabulary,
        )
        if case.setting == "positions":
            patches = pack_documents([whole], vocabulary, config, cut).patch_T
            keep = int(np.searchsorted(patches, options.positions))
            whole = Document(tokens=whole.tokens[:keep], words=whole.words[:keep] if whole.words is not None else None)
        sequences.append(whole)
    return pack_documents(sequences, vocabulary, config, cut)


def matmul_flops_per_s(device: torch.device, dtype: torch.dtype, quick: bool) -> float:
    """The rate of a large square matrix product."""
    n = 8192 if device.type == "cuda" else (1024 if quick else 2048)
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    seconds = [_timed(lambda: a @ b, device) for _ in range(8)]
    return 2 * n**3 / statistics.median(seconds[2:])


def _timed(work: Any, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(case: Case, options: argparse.Namespace, peak_rate: float, vocabulary: Vocabulary) -> dict[str, Any]:
    """Time some steps of one model on one batch."""
    device, dtype = options.device, options.dtype
    torch.manual_seed(0)
    with device:
        model = build_model(case.config, vocabulary.size)
    if compiles(RunSection(compile=options.compile), device.type):
        torch._dynamo.reset()  # programs of the rows before would count towards its limit
        compile_layers(model, dynamic=True)
    optimizer = made_adamw(model, device.type)
    packed = packed_batch(case, options, vocabulary)
    start = time.perf_counter()
    staged = StagedBatch(packed, case.config, vocabulary, device.type)
    stage_s = time.perf_counter() - start
    batch = staged.to(device)
    targets = int((packed.targets_T >= 0).sum())
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = [_timed(lambda: step(model, optimizer, batch, targets, dtype), device) for _ in range(options.steps + 2)]
    positions, tokens = len(packed.document_P), len(packed.tokens_T)
    flops = step_flops(packed, case.config, vocabulary)
    median = statistics.median(seconds[2:])
    return {
        "model": case.name,
        "patching": case.patching,
        "equal": case.setting,
        "positions": positions,
        "tokens": tokens,
        "step_s": round(median, 4),
        "stage_s": round(stage_s, 4),
        "positions_per_s": round(positions / median, 1),
        "tokens_per_s": round(tokens / median, 1),
        "tflops_per_step": round(flops / 1e12, 4),
        "mfu": round(flops / median / peak_rate, 3),
        "peak_memory_gb": round(_peak_memory(device) / 2**30, 2),
    }


def made_adamw(model: Any, device_type: str) -> torch.optim.Optimizer:
    """AdamW as training makes it."""
    chosen = adamw(OptimizerSection(), device_type)
    return torch.optim.AdamW(
        model.parameters(),
        lr=chosen.lr,
        betas=chosen.betas,
        eps=chosen.eps,
        weight_decay=chosen.weight_decay,
        fused=chosen.impl == "fused",
    )


def step(model: Any, optimizer: Any, batch: Batch, targets: int, dtype: torch.dtype) -> None:
    """One optimizer step."""
    with torch.autocast(batch.tokens_T.device.type, dtype, enabled=dtype != torch.float32):
        loss = model(batch).total / targets
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cases(options: argparse.Namespace) -> list[Case]:
    """Baseline and LST at equal positions and equal tokens; on CPU also the peer's shape."""
    found = []
    for setting in ("positions", "tokens"):
        for family, cut in (("baseline", "none"), ("lst", "static"), ("lst", "aligned")):
            name = f"{family}_{options.size}"
            found.append(Case(name, cut, architecture(name), setting))
    found += [Case(name, "static", architecture(name), "tokens") for name in options.variants]
    return [case for case in found if case.name in options.only] if options.only else found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short sequences, one step, one thread: under a minute")
    parser.add_argument("--size", default="tiny", help="architectures baseline_SIZE and lst_SIZE")
    parser.add_argument(
        "--positions", type=int, default=1024, help="positions (or, at equal data, tokens) of a sequence"
    )
    parser.add_argument("--sequences", type=int, default=2, help="sequences of a step")
    parser.add_argument("--steps", type=int, default=5, help="steps that are timed, after two that are not")
    parser.add_argument("--patch", type=int, default=4, help="tokens of a static patch")
    parser.add_argument(
        "--speech", type=float, default=0.26, help="share of speech tokens; 0.26 is the paper's mixture"
    )
    parser.add_argument("--pieces", type=int, default=32_000, help="text tokens in the vocabulary")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, help="compile the layers; by default on a GPU, as training"
    )
    parser.add_argument("--variants", nargs="*", default=[], help="more architectures, compared at equal tokens")
    parser.add_argument("--only", nargs="*", default=[], help="of all these, the architectures to measure")
    options = parser.parse_args()
    options.dtype = getattr(torch, options.dtype)
    options.device = torch.device(pick_device("auto"))
    if options.quick:
        options.positions, options.steps, options.pieces = 128, 1, 1000
        torch.set_num_threads(1)  # on busy cores several threads wait for each other at every layer
    vocabulary = Vocabulary(pieces=options.pieces, units=501)
    peak_rate = matmul_flops_per_s(options.device, options.dtype, options.quick)
    rows = [measure(case, options, peak_rate, vocabulary) for case in cases(options)]
    if options.device.type == "cpu" and not options.only:
        options.positions, options.sequences, options.speech = (128 if options.quick else 1024), 2, 0.74
        small = Vocabulary(pieces=1090, units=501)
        rows.append(measure(Case("peer shape", "static", PEER, "tokens"), options, peak_rate, small))
    for row in rows:
        print(*(f"{key}={value}" for key, value in row.items()))
    device = (
        torch.cuda.get_device_name() if options.device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    )
    print(json.dumps({"device": device, "matmul_tflops_per_s": round(peak_rate / 1e12, 3), "rows": rows}))


if __name__ == "__main__":
    main()
