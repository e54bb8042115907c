"""How fast tokens are generated: LST against the baseline with the same global transformer.

TTS-like decoding reads a short text and writes speech; ASR-like decoding reads speech and writes text. Weights are
random, so every row writes a fixed number of tokens. Prints rows and, as the last line, JSON with ``speech_speedup``:
LST's tokens/s of TTS-like decoding over the baseline's, at batch 1 (``speech_speedup_batched`` at the larger batch).

    python benchmarks/decode.py            # proportions of the 420m architectures
    python benchmarks/decode.py --quick
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from families import FAMILIES, VOCABULARY, add_options, print_result, random_model, set_threads

from lst_cli.hashing import integers
from lst_cli.model.decode.decoding import DecodingState
from lst_cli.patching.static import Static


def prompt(task: str, row: int) -> np.ndarray:
    """Text of 24 pieces for TTS; six seconds of speech for ASR."""
    if task == "tts":
        return np.concatenate(
            [[VOCABULARY.t_marker], integers(3, 31_999, 0, row, np.arange(24)), [VOCABULARY.s_marker]]
        )
    units = VOCABULARY.units_to_ids(integers(0, 500, 1, row, np.arange(150)))
    return np.concatenate([[VOCABULARY.s_marker], units, [VOCABULARY.t_marker]])


def measure(model: Any, name: str, task: str, batch: int, tokens: int, patch: int) -> dict[str, Any]:
    """Greedy decoding of a fixed number of tokens, without the prompt."""
    speech = task == "tts"
    allowed = torch.zeros(VOCABULARY.size, dtype=torch.bool, device=model.embedding.weight.device)
    allowed[VOCABULARY.speech_start :] = speech
    allowed[3 : VOCABULARY.pieces] = not speech
    state = DecodingState(model, VOCABULARY, Static(patch), batch)
    rows = np.arange(batch)
    logits = state.feed(rows, [prompt(task, row) for row in rows])
    before = state.global_positions
    start = time.perf_counter()
    for _ in range(tokens):
        chosen = logits.masked_fill(~allowed, float("-inf")).argmax(-1).cpu().numpy()
        logits = state.feed(rows, list(chosen[:, None]))
    seconds = time.perf_counter() - start
    return {
        "model": name,
        "task": task,
        "batch": batch,
        "tokens": tokens * batch,
        "tokens_per_s": round(tokens * batch / seconds, 1),
        "global_positions_per_token": round((state.global_positions - before) / (tokens * batch), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, batch=32)
    parser.add_argument("--tokens", type=int, default=96, help="tokens that each row writes")
    options = parser.parse_args()
    if options.quick:
        options.tokens, options.batch = 16, 4
    set_threads(options)
    rows = []
    for family in FAMILIES:
        model = random_model(family, options)
        for task in ("tts", "asr"):
            for batch in (1, options.batch):
                tokens = options.tokens if task == "tts" else options.tokens // 4
                rows.append(measure(model, f"{family}_{options.size}", task, batch, tokens, options.patch))
    rate = {(row["model"].split("_")[0], row["task"], row["batch"]): row["tokens_per_s"] for row in rows}
    figures = {
        "speech_speedup": rate["lst", "tts", 1] / rate["baseline", "tts", 1],
        "speech_speedup_batched": rate["lst", "tts", options.batch] / rate["baseline", "tts", options.batch],
    }
    print_result(rows, {key: round(value, 2) for key, value in figures.items()})


if __name__ == "__main__":
    main()
