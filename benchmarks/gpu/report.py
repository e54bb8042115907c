"""Shared by the stages of the GPU check: device, reporting of checks, and small models and batches."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lst_cli.distributed.device import pick_device
from lst_cli.hashing import integers
from lst_cli.model.batch import Batch, make_batch
from lst_cli.model.model import SpeechTextModel, build_model
from lst_cli.model.model_config import LocalConfig, ModelConfig
from lst_cli.patching.packed import Document, Packed, pack_documents
from lst_cli.patching.strategies import Cut, Patcher, PatchingConfig
from lst_cli.text.vocabulary import Vocabulary

QUICK = os.environ.get("QUICK") == "1"
DEVICE = torch.device(pick_device(os.environ.get("DEVICE") or "auto"))
CUDA = DEVICE.type == "cuda"
CPU = torch.device("cpu")
VOCABULARY = Vocabulary(pieces=1090, units=501)
_LOCAL = LocalConfig(dim=128, heads=4, encoder_layers=1, decoder_layers=3, window=200, cross_window=100)
_BYPASS = LocalConfig(dim=128, heads=4, encoder_layers=1, decoder_layers=3, window=200, cross_window=100, text="bypass")
MODELS = {
    "lst": ModelConfig(family="lst", layers=4, dim=256, heads=4, local=_LOCAL),
    "bypass": ModelConfig(family="lst", layers=4, dim=256, heads=4, local=_BYPASS),
    "baseline": ModelConfig(family="baseline", layers=4, dim=256, heads=4),
}


def note(stage: str, check: str, passed: bool | None, **figures: Any) -> None:
    """Report a check; None where it was skipped or has nothing to pass."""
    result = "SKIP" if passed is None else "PASS" if passed else "FAIL"
    line = {"stage": stage, "check": check, "result": result, "device": str(DEVICE), **figures}
    with (Path(os.environ["OUT"]) / "results.jsonl").open("a", encoding="utf-8") as results:
        results.write(json.dumps(line, default=str) + "\n")
    shown = (f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in figures.items())
    print(result, stage, check, *shown, flush=True)


@contextlib.contextmanager
def checking(stage: str, check: str) -> Iterator[None]:
    """An error inside is a failed check, and the stage continues."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 -- any failure on a new machine is a finding
        traceback.print_exc()
        note(stage, check, False, error=f"{type(error).__name__}: {str(error)[:300]}")


def seconds(repeats: int, work: Callable[..., object], *arguments: Any, **options: Any) -> float:
    """Median wall time of a call, after three that are not timed."""
    times = []
    for _ in range(repeats + 3):
        wait()
        start = time.perf_counter()
        work(*arguments, **options)
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times[3:])


def wait() -> None:
    """Let the GPU finish."""
    if CUDA:
        torch.cuda.synchronize()


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Norm of the difference over the expected norm; infinite where something is not finite."""
    a, b = found.detach().double().cpu(), expected.detach().double().cpu()
    return float((a - b).norm() / b.norm().clamp(min=1e-30)) if bool(torch.isfinite(a).all()) else float("inf")


def new_model(config: ModelConfig, device: torch.device, seed: int = 0) -> SpeechTextModel:
    """Random weights, the same on every device."""
    torch.manual_seed(seed)
    return build_model(config, VOCABULARY.size).to(device)


def cut_of(config: ModelConfig, cut: Cut = "static") -> Cut:
    """Baselines have no patches."""
    return cut if config.local is not None else "none"


def packed(config: ModelConfig, seed: int, cut: Cut = "static") -> Packed:
    """Three documents of text and speech, of lengths that the seed varies."""
    documents, tokens = [], 120 if QUICK else 500
    for number in range(3):
        length = tokens + int(integers(0, tokens // 2, seed, number))
        place = np.arange(length)
        ids = np.where(
            place % 60 < 24,
            integers(3, VOCABULARY.pieces - 1, 1, seed, number, place),
            VOCABULARY.speech_start + integers(0, VOCABULARY.units - 1, 2, seed, number, place),
        )
        ids[place % 60 == 0], ids[place % 60 == 24] = VOCABULARY.t_marker, VOCABULARY.s_marker
        documents.append(Document(tokens=ids, words=place // 6))
    return pack_documents(documents, VOCABULARY, Patcher(PatchingConfig(size=4)), cut_of(config, cut))


def batch(config: ModelConfig, seed: int, device: torch.device, cut: Cut = "static") -> Batch:
    """The same as tensors."""
    return make_batch(packed(config, seed, cut), config, VOCABULARY, device)
