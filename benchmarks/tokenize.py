"""Audio-seconds per second of tokenizing with HuBERT, ours against the usual way, on the same clips and weights.

The usual way (as textlesslib and slamkit do it): transformers' HubertModel, one clip at a time, hidden states of all
layers, scikit-learn's assignment on the CPU. Ours: the stage ``lst tokenize``, decoding and part files included. The
model has the shape of HuBERT base and random weights; clips are 2 to 30 s long. The two take turns, and the median
turn counts. Prints a row for each and, as the last line, JSON with ``ours`` and ``peer`` (audio-s/s), ``ratio``,
``agreement`` (share of equal tokens), ``cpu_ratio`` (the ratio in CPU seconds, which other programs disturb less)
and, on a GPU, ``bfloat16`` (audio-s/s) and ``bfloat16_agreement`` (with float32).

    python benchmarks/tokenize.py            # 10 minutes of audio, 3 turns
    python benchmarks/tokenize.py --quick    # 40 s, 1 turn
    python benchmarks/tokenize.py --device cuda --seconds 36000 --peer-seconds 600
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "tokenize":
    # A script's folder comes first on Python's path, so every script here would find this file for the standard
    # library's tokenize. Then step aside.
    import importlib.util
    import sysconfig

    _spec = importlib.util.spec_from_file_location("tokenize", Path(sysconfig.get_path("stdlib")) / "tokenize.py")
    assert _spec is not None and _spec.loader is not None
    sys.modules["tokenize"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["tokenize"])
else:
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from lst_cli.artifacts import Artifact, Store
    from lst_cli.units.quantizer.quantize import Quantizer

CLUSTERS = 500
CONFIGS: dict[str, tuple[int, dict[str, Any]]] = {
    "base": (9, {}),
    "25hz": (
        11,
        {"conv_kernel": (10, 3, 3, 3, 3, 2, 2, 2), "conv_stride": (5,) + (2,) * 7, "conv_dim": (512,) * 8},
    ),
}
"""Layer, and what differs from transformers' defaults, which are HuBERT base."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 s of audio, one turn")
    parser.add_argument("--config", choices=CONFIGS, default="base")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=600.0, help="audio for ours")
    parser.add_argument("--peer-seconds", type=float, default=None, help="audio for the usual way, if not the same")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.turns = 40.0, 1
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(compare(Path(folder), options)))


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run both and compare."""
    import numpy as np

    from lst_cli.artifacts import Store
    from lst_cli.audio.corpus_artifact import Corpus

    store = Store(folder / "artifacts")
    corpus = Corpus(make_corpus(store, folder, options.seconds))
    quantizer = make_quantizer(folder, options, corpus)
    peer = Peer(folder / "model", quantizer, options.device)
    limit = options.peer_seconds or options.seconds
    peer_paths = [u.path for u, end in zip(corpus, np.cumsum(corpus.seconds), strict=True) if end <= limit + 1]
    peer_seconds = sum(corpus.seconds[: len(peer_paths)])
    turns: dict[str, list[tuple[float, float]]] = {"ours": [], "peer": []}
    for _ in range(options.turns):
        peer_units, *took = timed(lambda: peer.tokenize(peer_paths))
        turns["peer"].append((peer_seconds / took[0], peer_seconds / took[1]))
        units, *took = timed(lambda: tokenize(quantizer, corpus, folder))
        turns["ours"].append((sum(corpus.seconds) / took[0], sum(corpus.seconds) / took[1]))
    wall = {name: statistics.median(rate for rate, _ in found) for name, found in turns.items()}
    cpu = {name: statistics.median(rate for _, rate in found) for name, found in turns.items()}
    for name in wall:
        print(f"{name}: {wall[name]:.1f} audio-s/s, {cpu[name]:.1f} audio-s per CPU second")
    equal = np.concatenate([a == b for a, b in zip(units, peer_units, strict=False)])
    result = {
        "ours": round(wall["ours"], 2),
        "peer": round(wall["peer"], 2),
        "ratio": round(wall["ours"] / wall["peer"], 3),
        "cpu_ratio": round(cpu["ours"] / cpu["peer"], 3),
        "agreement": round(float(equal.mean()), 5),
    }
    return result | (in_bfloat16(folder, options, corpus, units) if options.device != "cpu" else {})


def in_bfloat16(folder: Path, options: argparse.Namespace, corpus: Any, units: list[np.ndarray]) -> dict[str, float]:
    """Speed in bfloat16, and how many tokens stay the same."""
    import numpy as np

    from lst_cli.units.quantizer.quantize import Quantizer

    rough = Quantizer.load(folder, options.device, "bfloat16", compile=options.compile)
    tokenize(rough, corpus, folder)
    found, wall, _ = timed(lambda: tokenize(rough, corpus, folder))
    equal = np.concatenate([a == b for a, b in zip(units, found, strict=True)])
    return {
        "bfloat16": round(float(sum(corpus.seconds)) / wall, 1),
        "bfloat16_agreement": round(float(equal.mean()), 5),
    }


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """A result, wall seconds and CPU seconds."""
    cpu, wall = os.times(), time.perf_counter()
    result = work()
    took = time.perf_counter() - wall
    now = os.times()
    return result, took, now.user + now.system - cpu.user - cpu.system


def make_corpus(store: Store, folder: Path, seconds: float) -> Artifact:
    """Clips of 2 to 30 s of gliding harmonics in noise, as WAV files."""
    import numpy as np
    import soundfile

    from lst_cli.artifacts import Request
    from lst_cli.audio.corpus_artifact import CORPUS, write_utterances
    from lst_cli.hashing import uniform

    rows, total = [], 0.0
    while total < seconds:
        i = len(rows)
        length = 2 + 28 * float(uniform(0, i))
        t = np.arange(round(length * 16_000)) / 16_000
        pitch = 2 * np.pi * (120 * t + 30 * np.cumsum(np.sin(3 * t + i)) / 16_000)
        wave = sum(np.sin(k * pitch) * (1 + np.sin((k + i % 5) * t)) / k for k in range(1, 9))
        path = folder / f"{i:05d}.wav"
        soundfile.write(path, 0.05 * wave + 0.05 * (uniform(1, i, np.arange(len(t))) - 0.5), 16_000)
        total += length
        row = {"id": path.stem, "path": str(path), "offset": 0, "samples": len(t), "sample_rate": 16_000}
        rows.append(row | {"speaker": None, "source": "benchmark", "text": None})
    request = Request(kind=CORPUS, name="clips", config={"seconds": seconds})
    return store.build(request, lambda draft: write_utterances(draft.path, rows)).artifact


def make_quantizer(folder: Path, options: argparse.Namespace, corpus: Any) -> Quantizer:
    """HuBERT with random weights in hub format, and centroids of its features, saved in ``folder``."""
    import numpy as np
    import torch
    from transformers import HubertConfig, HubertModel

    from lst_cli.audio.decode import read_utterance
    from lst_cli.units.features.hubert_files import describe_hubert
    from lst_cli.units.features.registry import load_features
    from lst_cli.units.quantizer.codebook import Codebook
    from lst_cli.units.quantizer.kmeans import fit_kmeans
    from lst_cli.units.quantizer.quantize import Quantizer

    layer, settings = CONFIGS[options.config]
    torch.manual_seed(0)
    HubertModel(HubertConfig(**settings)).save_pretrained(folder / "model")
    config = describe_hubert(str(folder / "model"), layer)
    extractor = load_features(config, options.device, compile=options.compile)
    clips = [corpus[i] for i in np.searchsorted(np.cumsum(corpus.seconds), np.arange(0, 55, 20))]
    frames = extractor.extract([read_utterance(clip) for clip in clips]).cpu().numpy()
    clusters = min(CLUSTERS, len(frames) // 2)
    codebook = Codebook(
        centroids_KD=fit_kmeans(frames, clusters, seed=0, iterations=3).centroids_KD,
        mean_D=np.zeros(extractor.dim, np.float32),
        scale_D=np.ones(extractor.dim, np.float32),
        features=config,
    )
    codebook.save(folder)
    return Quantizer(codebook, extractor)


def tokenize(quantizer: Quantizer, corpus: Any, folder: Path) -> list[np.ndarray]:
    """All units of the corpus by the stage's own code, part files included."""
    from lst_cli.artifacts.parquet import read_parquet
    from lst_cli.units.input.pieces import input_samples
    from lst_cli.units.tokenize.token_parts import PartMaker
    from lst_cli.units.tokenize.work_units import divide

    samples = input_samples(corpus)
    units = divide(samples)
    for _ in PartMaker(quantizer, corpus, samples, None).make(units, folder / "parts"):
        pass
    return [row.values.to_numpy() for unit in units for row in read_parquet(folder / "parts" / unit.file_name)["units"]]


class Peer:
    """The usual way."""

    def __init__(self, model: Path, quantizer: Quantizer, device: str) -> None:
        import numpy as np
        from sklearn.cluster import KMeans
        from transformers import HubertModel

        self._model = HubertModel.from_pretrained(model).eval().to(device)
        self._layer = int(quantizer.features_config["layer"])
        self._pool = 640 // int(np.prod(self._model.config.conv_stride))
        centroids = quantizer.codebook.centroids_KD
        # scikit-learn makes an object that assigns only by fitting; fitting the centroids to themselves keeps them.
        self._kmeans = KMeans(len(centroids), init=centroids, n_init=1, max_iter=1).fit(centroids)
        self._kmeans.cluster_centers_ = centroids

    def tokenize(self, paths: list[Path]) -> list[np.ndarray]:
        """Units of each clip, brought to 25 Hz by the frame rule of :mod:`lst_cli.units.features.hubert`."""
        import soundfile
        import torch

        units = []
        for path in paths:
            wave, _ = soundfile.read(path, dtype="float32")
            with torch.inference_mode():
                inputs = torch.from_numpy(wave)[None].to(self._model.device)
                hidden = self._model(inputs, output_hidden_states=True).hidden_states[self._layer][0]
            total = len(wave) // 640
            hidden = torch.cat([hidden, hidden[-1:].expand(max(0, total * self._pool - len(hidden)), -1)])
            frames = hidden[: total * self._pool].reshape(total, self._pool, -1).mean(dim=1)
            units.append(self._kmeans.predict(frames.cpu().numpy()))
        return units


if __name__ == "__main__":
    main()
