"""Shared by the benchmarks of decoding: random models of both families, options, and printing of figures."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import torch

from lst_cli.distributed.device import pick_device
from lst_cli.model.architectures import architecture
from lst_cli.model.decode.inference_weights import pack
from lst_cli.model.model import SpeechTextModel, build_model
from lst_cli.model.model_config import ModelConfig
from lst_cli.text.vocabulary import Vocabulary

FAMILIES = ("baseline", "lst")
VOCABULARY = Vocabulary(pieces=32_000, units=501)
PIECES_PER_S = 4.0
"""Text tokens of a second of read speech: 2.7 words, 1.4 tokens each."""


def add_options(parser: argparse.ArgumentParser, batch: int) -> None:
    """The options of all benchmarks of decoding; :func:`set_threads` takes ``--threads``."""
    parser.add_argument(
        "--quick", action="store_true", help="an eighth of the layers, less to write, one thread: under a minute"
    )
    parser.add_argument("--size", default="420m", help="architectures baseline_SIZE and lst_SIZE")
    parser.add_argument("--batch", type=int, default=batch, help="the larger of the two batches")
    parser.add_argument("--patch", type=int, default=4, help="tokens of a static patch")
    parser.add_argument("--threads", type=int, help="threads of torch; its own choice by default, one with --quick")


def set_threads(options: argparse.Namespace) -> None:
    """The requested number of threads. A quick run uses one: on busy cores, threads wait for each other."""
    if options.threads or options.quick:
        torch.set_num_threads(options.threads or 1)


def random_model(family: str, options: argparse.Namespace) -> SpeechTextModel:
    """A model of random weights as inference loads it, on the GPU where there is one."""
    config = architecture(f"{family}_{options.size}")
    if options.quick:
        config = shrunk(config, max(1, config.layers // 8))
    torch.manual_seed(0)
    with torch.device(pick_device("auto")):
        model = build_model(config, VOCABULARY.size).eval()
    pack(model)
    return model


def shrunk(config: ModelConfig, layers: int) -> ModelConfig:
    """Fewer global layers, for a quick run; the decoder shrinks in proportion."""
    local = config.local
    if local is not None:
        local = dataclasses.replace(local, decoder_layers=max(1, round(local.decoder_layers * layers / config.layers)))
    return dataclasses.replace(config, layers=layers, local=local)


def wait_for_gpu() -> None:
    """Let the work given to the GPU end, before a clock is read."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def speedups(rows: Sequence[dict[str, Any]], batch: int) -> dict[str, Any]:
    """Seconds of work (``total_s``) for a second of speech, the baseline's over LST's, at batch 1 and at the larger."""
    total = {(row["model"], row["batch"]): row["total_s"] for row in rows}
    return {
        "speedup": round(total["baseline", 1] / total["lst", 1], 2),
        "speedup_batched": round(total["baseline", batch] / total["lst", batch], 2),
        "real_time_factor": round(total["lst", batch], 4),
    }


def print_result(rows: Sequence[dict[str, Any]], figures: dict[str, Any]) -> None:
    """Rows to read, and as the last line JSON of figures and rows."""
    short = [{key: rounded(value) for key, value in row.items()} for row in rows]
    for row in short:
        print(*(f"{key}={value}" for key, value in row.items()))
    print(json.dumps({**figures, "threads": torch.get_num_threads(), "rows": short}))


def rounded(value: Any) -> Any:
    """Four digits of a float; anything else as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value
