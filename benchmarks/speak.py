"""Wall time of speaking, for each second of speech: LST against the baseline with the same global transformer.

Three parts: reading the text, writing the speech tokens, and the vocoder (the same for both). The weights are
random, so every text gets a fixed number of speech tokens; with `--root` two fine-tuned models speak the texts of a
corpus as `lst speak` does. Prints rows and, as the last line, JSON with ``speedup``: the baseline's seconds over
LST's, one text at a time (``speedup_batched``: many side by side), and ``positions``: LST's positions of the global
transformer for the speech, as a share of the baseline's (0.25x in Table 5 of Lu et al. 2025).

    python benchmarks/speak.py                 # proportions of the 420m architectures
    python benchmarks/speak.py --quick
    python benchmarks/speak.py --root artifacts --lst model/tts --baseline model/tts-base --vocoder vocoder/light
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
from lst_cli.units.frames import RATE_HZ
from lst_cli.vocoder.mel.spectrum import Spectrum
from lst_cli.vocoder.mel.unit_to_mel import new_network
from lst_cli.vocoder.speaking import MelVocoder
from lst_cli.vocoder.vocoder_config import VocoderConfig


def vocoder_s(seconds: float) -> float:
    """Time of the light vocoder, for each second of speech."""
    config = VocoderConfig()
    spectrum = Spectrum(config.spectrum)
    network = new_network(
        config.network, 0, units=501, speakers=1, bands=config.spectrum.bands, frames_per_unit=spectrum.frames_per_unit
    )
    vocoder = MelVocoder(network, spectrum, ["one"])
    units = integers(0, 500, 2, np.arange(int(RATE_HZ * seconds)))
    vocoder.speak(units[:RATE_HZ])
    start = time.perf_counter()
    vocoder.speak(units)
    return (time.perf_counter() - start) / seconds


def measure(model: Any, name: str, seconds: float, batch: int, patch: int) -> dict[str, Any]:
    """Read some texts, and write a fixed number of speech tokens for each."""
    pieces = int(PIECES_PER_S * seconds)
    prompts = [
        np.concatenate([[VOCABULARY.t_marker], integers(3, 31_999, 1, row, np.arange(pieces)), [VOCABULARY.s_marker]])
        for row in range(batch)
    ]
    state = DecodingState(model, VOCABULARY, Static(patch), batch)
    rows = np.arange(batch)
    start = time.perf_counter()
    logits = state.feed(rows, prompts)
    wait_for_gpu()
    read = time.perf_counter()
    context = state.global_positions
    for _ in range(int(RATE_HZ * seconds)):
        best = logits[:, VOCABULARY.speech_start :].argmax(-1).cpu().numpy()
        logits = state.feed(rows, list(best[:, None] + VOCABULARY.speech_start))
    wait_for_gpu()
    spoken = seconds * batch
    return {
        "model": name,
        "batch": batch,
        "prompt_s": (read - start) / spoken,
        "speech_s": (time.perf_counter() - read) / spoken,
        "generation_positions_per_s": (state.global_positions - context) / spoken,
    }


def random_weights(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of both families at both batches."""
    voice = vocoder_s(options.seconds)
    rows = []
    for family in FAMILIES:
        model = random_model(family, options)
        measure(model, family, 1.0, 1, options.patch)
        for batch in (1, options.batch):
            row = measure(model, family, options.seconds, batch, options.patch)
            rows.append({**row, "vocoder_s": voice, "total_s": row["prompt_s"] + row["speech_s"] + voice})
    return rows


def fine_tuned(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of two models that speak the texts of a corpus, from text to samples."""
    from lst_cli.artifacts import Store
    from lst_cli.audio.corpus_artifact import CORPUS, Corpus
    from lst_cli.distributed.device import pick_device
    from lst_cli.inference.speech_stream import voice
    from lst_cli.model_artifact.card import MODEL, load_model
    from lst_cli.vocoder.files import VOCODER
    from lst_cli.vocoder.speaking import load_vocoder

    store = Store(options.root)
    texts = [utterance.text or "" for utterance in Corpus(store.find(options.corpus, CORPUS))][: options.texts]
    vocoder = load_vocoder(store.find(options.vocoder, VOCODER))
    rows = []
    for family in FAMILIES:
        loaded = load_model(store.find(getattr(options, family), MODEL), pick_device("auto"))
        list(voice(loaded, vocoder, texts[:1], None, rows=1))
        for batch in (1, options.batch):
            start = time.perf_counter()
            spoken = list(voice(loaded, vocoder, texts, None, rows=batch))
            took = time.perf_counter() - start
            seconds = sum(len(each.wave_T) for each in spoken) / vocoder.sample_rate
            positions = sum(each.said.new_positions for each in spoken)
            rows.append(
                {
                    "model": family,
                    "batch": batch,
                    "generation_positions_per_s": positions / seconds,
                    "total_s": took / seconds,
                }
            )
    return rows


def position_share(rows: list[dict[str, Any]]) -> float:
    """LST's positions of the global transformer for the speech, as a share of the baseline's."""
    positions = {row["model"]: row["generation_positions_per_s"] for row in rows}
    return round(positions["lst"] / positions["baseline"], 3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, batch=16)
    parser.add_argument("--seconds", type=float, default=10.0, help="speech of a text")
    parser.add_argument("--root", type=Path, help="artifacts: measure fine-tuned models instead of random weights")
    parser.add_argument("--lst", default="model/tts")
    parser.add_argument("--baseline", default="model/tts-base")
    parser.add_argument("--vocoder", default="vocoder/light")
    parser.add_argument("--corpus", default="corpus/heldout")
    parser.add_argument("--texts", type=int, default=16, help="texts of the corpus to speak")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.batch = 2.0, 4
    set_threads(options)
    rows = fine_tuned(options) if options.root else random_weights(options)
    print_result(rows, {**speedups(rows, options.batch), "positions": position_share(rows)})


if __name__ == "__main__":
    main()
