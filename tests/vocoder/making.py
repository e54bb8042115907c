"""A small spoken world for vocoder tests: a corpus of sounds, a quantizer of it, its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile

from lst_cli.artifacts import Artifact, Request, Store
from lst_cli.audio.corpus_artifact import CORPUS, Corpus, write_utterances
from lst_cli.audio.decode import read_utterance
from lst_cli.units.features.mfcc_config import describe_mfcc
from lst_cli.units.quantizer.codebook import QUANTIZER, Codebook
from lst_cli.units.quantizer.quantize import Quantizer, tokenize_waveforms
from tests.inference.models import tokens_artifact
from tests.units.speech import sound

UNITS = 24


@dataclass(frozen=True, kw_only=True)
class World:
    corpus: Artifact
    quantizer: Artifact
    tokens: Artifact


def make_world(store: Store, speakers: Sequence[str | None], seconds: float = 1.5, rate: int = 16_000) -> World:
    """One clip for each speaker given; odd ones sound twice as deep."""
    folder = store.root.parent / "clips"
    folder.mkdir(exist_ok=True)
    rows = []
    for number, speaker in enumerate(speakers):
        wave = sound(seconds, number // 2, rate)
        path = folder / f"{number:03d}.wav"
        soundfile.write(path, wave, rate)
        rows.append(
            {
                "id": f"u{number:03d}",
                "path": str(path),
                "offset": 0,
                "samples": len(wave),
                "sample_rate": rate,
                "speaker": speaker,
                "source": "sounds",
                "text": "some words",
            }
        )
    request = Request(kind=CORPUS, name="sounds", config={"speakers": list(speakers), "seconds": seconds, "rate": rate})
    corpus = store.build(request, lambda draft: write_utterances(draft.path, rows)).artifact
    quantizer = make_quantizer(store, corpus)
    return World(corpus=corpus, quantizer=quantizer, tokens=tokenized(store, corpus, quantizer))


def make_quantizer(store: Store, corpus: Artifact, name: str = "q", units: int = UNITS) -> Artifact:
    """Centroids that are frames of the corpus itself."""
    features = describe_mfcc(None)
    blank = Codebook(
        centroids_KD=np.zeros((1, 39), np.float32),
        mean_D=np.zeros(39, np.float32),
        scale_D=np.ones(39, np.float32),
        features=features,
    )
    from lst_cli.units.features.registry import load_features

    extractor = load_features(blank.features, "cpu", "float32")
    frames_TD = extractor.extract([read_utterance(u) for u in Corpus(corpus)]).numpy()
    chosen = np.linspace(0, len(frames_TD) - 1, units).astype(int)
    codebook = Codebook(centroids_KD=frames_TD[chosen], mean_D=blank.mean_D, scale_D=blank.scale_D, features=features)
    request = Request(kind=QUANTIZER, name=name, config={"features": features, "units": units})
    return store.build(request, lambda draft: codebook.save(draft.path)).artifact


def tokenized(store: Store, corpus: Artifact, quantizer: Artifact, name: str = "sounds") -> Artifact:
    """The corpus's tokens."""
    loaded = Quantizer.load(quantizer.path, "cpu")
    utterances = list(Corpus(corpus))
    units = tokenize_waveforms(loaded, [read_utterance(u) for u in utterances])
    found = {u.id: row.tolist() for u, row in zip(utterances, units, strict=True)}
    return tokens_artifact(store, name, found, quantizer, corpus)
