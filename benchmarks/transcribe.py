"""Wall time of transcribing, for each second of speech: LST against the baseline with the same global transformer.

Three parts: sound to speech tokens (the same for both), reading the prompt, and writing the text. By default the
weights are random, so every clip gets a fixed number of text tokens; with `--root` two fine-tuned models transcribe a
corpus as `lst transcribe` does. Prints rows and, as the last line, JSON with ``speedup``: the baseline's seconds over
LST's, one clip at a time (``speedup_batched``: many side by side). A piece of text costs LST its local layers besides
the global ones, so it can gain in reading the prompt only.

    python benchmarks/transcribe.py            # proportions of the 420m architectures
    python benchmarks/transcribe.py --quick
    python benchmarks/transcribe.py --root artifacts --lst model/asr --baseline model/asr-baseline
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from families import (
    FAMILIES,
    PIECES_PER_S,
    VOCABULARY,
    add_options,
    print_result,
    random_model,
    set_threads,
    speedups,
    wait_for_gpu,
)

from lst_cli.hashing import integers
from lst_cli.model.decode.decoding import DecodingState
from lst_cli.patching.static import Static

RATE = 16_000


def tokenize_s(seconds: float, clips: int) -> float:
    """Time of MFCC tokens with as many centroids as the vocabulary has units."""
    from lst_cli.units.features.mfcc_config import describe_mfcc
    from lst_cli.units.features.registry import load_features
    from lst_cli.units.quantizer.codebook import Codebook
    from lst_cli.units.quantizer.quantize import Quantizer, tokenize_waveforms

    random = np.random.default_rng(0)
    codebook = Codebook(
        centroids_KD=random.normal(size=(VOCABULARY.units, 39)).astype(np.float32),
        mean_D=np.zeros(39, np.float32),
        scale_D=np.ones(39, np.float32),
        features=describe_mfcc(None),
    )
    quantizer = Quantizer(codebook, load_features(codebook.features, "cpu"))
    waves = [random.normal(0, 0.1, int(seconds * RATE)).astype(np.float32) for _ in range(clips)]
    tokenize_waveforms(quantizer, waves[:1])
    start = time.perf_counter()
    tokenize_waveforms(quantizer, waves)
    return time.perf_counter() - start


def measure(model: Any, name: str, seconds: float, batch: int, patch: int) -> dict[str, Any]:
    """Read the speech of some clips, and write a fixed number of pieces for each."""
    units = [integers(0, 500, 1, row, np.arange(int(25 * seconds))) for row in range(batch)]
    prompts = [
        np.concatenate([[VOCABULARY.s_marker], VOCABULARY.units_to_ids(each), [VOCABULARY.t_marker]]) for each in units
    ]
    state = DecodingState(model, VOCABULARY, Static(patch), batch)
    rows = np.arange(batch)
    start = time.perf_counter()
    logits = state.feed(rows, prompts)
    wait_for_gpu()
    read = time.perf_counter()
    context = state.global_positions
    for _ in range(int(PIECES_PER_S * seconds)):
        logits = state.feed(rows, list(logits[:, 3 : VOCABULARY.pieces].argmax(-1).cpu().numpy()[:, None] + 3))
    wait_for_gpu()
    end = time.perf_counter()
    spoken = seconds * batch
    return {
        "model": name,
        "batch": batch,
        "prompt_s": (read - start) / spoken,
        "text_s": (end - read) / spoken,
        "context_positions_per_s": context / spoken,
    }


def random_weights(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of both families at both batches."""
    sound = {batch: tokenize_s(options.seconds, batch) / options.seconds / batch for batch in (1, options.batch)}
    rows = []
    for family in FAMILIES:
        model = random_model(family, options)
        measure(model, family, 1.0, 1, options.patch)
        for batch in (1, options.batch):
            row = measure(model, family, options.seconds, batch, options.patch)
            rows.append({**row, "tokenize_s": sound[batch], "total_s": sound[batch] + row["prompt_s"] + row["text_s"]})
    return rows


def fine_tuned(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of two models that transcribe a corpus, from sound to text."""
    from lst_cli.artifacts import Store
    from lst_cli.distributed.device import pick_device
    from lst_cli.inference.audio_input import segments
    from lst_cli.inference.transcription import transcribe_segments
    from lst_cli.model_artifact.card import MODEL, load_model

    store = Store(options.root)
    rows = []
    for family in FAMILIES:
        loaded = load_model(store.find(getattr(options, family), MODEL), pick_device("auto"))
        # Sound is read and cut beforehand: how fast the disk is does not matter here.
        found = list(segments([options.corpus], store, 30.0))
        list(transcribe_segments(loaded, found[:1]))
        for batch in (1, options.batch):
            start = time.perf_counter()
            spoken = sum(clip.seconds for clip in transcribe_segments(loaded, found, rows=batch))
            rows.append({"model": family, "batch": batch, "total_s": (time.perf_counter() - start) / spoken})
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, batch=16)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of a clip")
    parser.add_argument("--root", type=Path, help="artifacts: measure fine-tuned models instead of random weights")
    parser.add_argument("--lst", default="model/asr")
    parser.add_argument("--baseline", default="model/asr-baseline")
    parser.add_argument("--corpus", default="corpus/heldout")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.batch = 5.0, 4
    set_threads(options)
    rows = fine_tuned(options) if options.root else random_weights(options)
    print_result(rows, speedups(rows, options.batch))


if __name__ == "__main__":
    main()
