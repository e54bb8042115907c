"""Seeded sounds, corpora of them, and small HuBERT models with random weights, for the tests of units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from lst_cli.artifacts import Artifact, Request, Store
from lst_cli.audio.corpus_artifact import CORPUS, write_utterances
from lst_cli.hashing import uniform

RATE = 16_000


def sound(seconds: float, seed: int, rate: int = RATE) -> NDArray[np.float32]:
    """Something that changes like speech: syllables of gliding harmonics and of noise."""
    samples = max(1, round(seconds * rate))
    syllable = np.minimum(np.arange(samples) * 6 // rate, 10_000)
    draw = uniform(seed, np.arange(10_001)[:, None], np.arange(4)[None])[syllable]
    pitch = 100 + 120 * draw[:, 0] + 30 * np.sin(np.arange(samples) / rate * 5)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voiced = sum(
        np.sin(k * phase) * np.exp(-(((k * pitch - 300 - 2500 * draw[:, 1]) / 500) ** 2)) for k in range(1, 20)
    )
    noise = uniform(seed + 1, np.arange(samples)) - 0.5
    loud = np.abs(np.sin(np.pi * np.arange(samples) * 6 / rate))
    wave = 0.2 * loud * np.where(draw[:, 2] < 0.7, voiced, 0.5 * noise) + 0.002 * noise
    return wave.astype(np.float32)


def make_corpus(store: Store, waves: Sequence[NDArray[np.float32]], rate: int = RATE, name: str = "c") -> Artifact:
    """A corpus artifact of these clips, one 16-bit WAV file each beside the store."""
    folder = store.root.parent / f"{name}-audio"
    folder.mkdir(exist_ok=True)
    rows = []
    for i, wave in enumerate(waves):
        path = folder / f"{i:04d}.wav"
        soundfile.write(path, wave, rate)
        rows.append(
            {
                "id": f"u{i:04d}",
                "path": str(path),
                "offset": 0,
                "samples": len(wave),
                "sample_rate": rate,
                "speaker": None,
                "source": name,
                "text": None,
            }
        )
    request = Request(kind=CORPUS, name=name, config={"waves": len(waves), "rate": rate})
    return store.build(request, lambda draft: write_utterances(draft.path, rows)).artifact


HUBERT_KINDS = {
    # HuBERT base: group norm over the whole time axis, 50 Hz.
    "base": {},
    # HuBERT large: layer norms, 50 Hz.
    "large": {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
    # mHuBERT at 25 Hz: base with one more convolution.
    "25hz": {"conv_kernel": (10, 3, 3, 3, 3, 2, 2, 2), "conv_stride": (5, 2, 2, 2, 2, 2, 2, 2), "conv_dim": (32,) * 8},
}


def save_hubert(folder: Path, kind: str) -> Path:
    """A small HuBERT of one of :data:`HUBERT_KINDS` with seeded random weights, in hub format."""
    import torch
    from transformers import HubertConfig, HubertModel

    settings = {
        "hidden_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "conv_dim": (32,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = HubertModel(HubertConfig(**(settings | HUBERT_KINDS[kind])))
        for parameter in model.parameters():
            # transformers starts with small weights, whose layers hardly mix time; larger ones make the test sharper.
            parameter.data.mul_(1.5)
    model.save_pretrained(folder)
    return folder
