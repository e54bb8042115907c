"""The cost of tokenizing beyond the model: memory of long audio, time of short clips, and units at window seams.

Memory: the peak of ``lst tokenize`` on one recording of 1 h and on one of 10 h, with a small HuBERT of random weights.
Clips: 20,000 one-second files through ``lst corpus add`` and ``lst tokenize`` with MFCC units; what is left of the CPU
time after the features' own is the overhead. Corpora: the peak of ``lst corpus add`` on a manifest of a million
segments of one file, and the CPU time of listing 50,000 files. Seams: how many units of a recording stay the same when
it is read in windows and not in one piece, of all units and of those within 2 s of a seam: HuBERT base with random
weights, and MFCC. Prints rows and, as the last line, JSON with ``peak_gb_short``, ``peak_gb_long``,
``clip_overhead_ms``, ``add_ms``, ``manifest_peak_gb``, ``manifest_s``, ``listing_s``, ``seam_agreement``,
``agreement`` and ``mfcc_agreement``.

    python benchmarks/limits.py            # some 15 minutes on two cores
    python benchmarks/limits.py --quick    # a fiftieth of the audio
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "conv_dim": (64,) * 7,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the audio, one thread")
    options = parser.parse_args()
    share = 50 if options.quick else 1
    if options.quick:
        os.environ["OMP_NUM_THREADS"] = "1"  # on busy cores several threads wait for each other at every layer
    with tempfile.TemporaryDirectory() as folder:
        result = memory(Path(folder) / "memory", 3600 // share)
        print(result, flush=True)
        result |= clips(Path(folder) / "clips", 20_000 // share)
        print(result, flush=True)
        result |= corpora(Path(folder) / "corpora", 1_000_000 // share, 50_000 // share)
        print(result, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(result | seams(Path(folder), 90 if options.quick else 300, base=not options.quick)))


def audio(samples: int, seed: int) -> NDArray[np.float32]:
    """A gliding hum in noise."""
    t = np.arange(samples) / RATE
    hum = np.sin(2 * np.pi * (140 * t + 8 * np.sin(2.1 * t + seed))) * (1 + np.sin(5 * t + seed))
    noise = np.random.default_rng(seed).standard_normal(samples)
    return (0.1 * hum + 0.02 * noise).astype(np.float32)


_LAUNCHER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=sys.stderr)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(code)
"""
"""Linux counts the memory of the process that starts another one into that one's peak: a small one must start it."""


def lst(root: Path, *arguments: str) -> tuple[float, float]:
    """Run a command; its CPU seconds, and its peak memory in GB."""
    command = [sys.executable, "-m", "lst_cli.main", "--quiet", "--root", str(root), *arguments]
    done = subprocess.run([sys.executable, "-c", _LAUNCHER, *command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit code {done.returncode}")
    seconds, kilobytes = done.stdout.split()
    return float(seconds), int(kilobytes) / 2**20


def make_model(folder: Path, settings: dict[str, Any]) -> Path:
    """A HuBERT of random weights, in the hub's format."""
    import torch
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    HubertModel(HubertConfig(**settings)).save_pretrained(folder)
    return folder


def memory(folder: Path, seconds: int) -> dict[str, Any]:
    """Peak memory of tokenizing one recording, and one that is ten times as long."""
    import soundfile

    model = make_model(folder / "model", SMALL)
    for name, length in (("short", seconds), ("long", 10 * seconds)):
        (folder / name).mkdir()
        with soundfile.SoundFile(folder / name / "talk.flac", "w", samplerate=RATE, channels=1) as file:
            for minute in range(0, length, 60):
                file.write(audio(RATE * min(60, length - minute), minute))
        lst(folder, "corpus", "add", str(folder / name), "--no-text", "--name", name)
    features = ("--features", f"hubert:{model}", "--layer", "2", "--clusters", "64")
    lst(folder, "units", "fit", "corpus/short", *features, "--name", "small")
    peak = {
        name: lst(folder, "tokenize", f"corpus/{name}", "--quantizer", "quantizer/small", "--name", name)[1]
        for name in ("short", "long")
    }
    return {f"peak_gb_{name}": round(value, 3) for name, value in peak.items()}


def clips(folder: Path, count: int) -> dict[str, Any]:
    """CPU milliseconds for each one-second clip: of adding it, and of tokenizing it beyond its features."""
    import soundfile
    import torch

    from lst_cli.artifacts import Store
    from lst_cli.units.quantizer.codebook import QUANTIZER
    from lst_cli.units.quantizer.quantize import Quantizer

    (folder / "audio").mkdir(parents=True)
    waves = [audio(RATE, i) for i in range(100)]
    for i in range(count):
        soundfile.write(folder / "audio" / f"{i:05d}.wav", waves[i % len(waves)], RATE)
    add, _ = lst(folder, "corpus", "add", str(folder / "audio"), "--no-text", "--name", "clips")
    lst(folder, "units", "fit", "corpus/clips", "--features", "mfcc", "--clusters", "64", "--name", "mfcc")
    whole, _ = lst(folder, "tokenize", "corpus/clips", "--quantizer", "quantizer/mfcc", "--name", "clips")
    quantizer = Quantizer.load(Store(folder).find("quantizer/mfcc", QUANTIZER).path, "cpu", "float32")
    torch.set_num_threads(1)  # as the command's threads do
    quantizer.tokenize(waves[:60])
    started = time.process_time()
    for first in range(0, count, 60):
        quantizer.tokenize([waves[i % len(waves)] for i in range(first, min(first + 60, count))])
    features = time.process_time() - started
    return {
        "clips": count,
        "clip_overhead_ms": round(1000 * (whole - features) / count, 3),
        "add_ms": round(1000 * add / count, 3),
    }


def corpora(folder: Path, rows: int, files: int) -> dict[str, Any]:
    """Peak memory and CPU time of a long manifest, and CPU time of listing a folder of clips with transcripts."""
    import soundfile

    from lst_cli.audio.layouts import choose_layout

    folder.mkdir(parents=True)
    soundfile.write(folder / "talk.flac", audio(600 * RATE, 0), RATE)
    with (folder / "rows.jsonl").open("w") as stream:
        for i in range(rows):
            start = i % 5900 / 10
            row = {"path": "talk.flac", "id": f"u{i:08d}", "start": start, "end": start + 2.5, "text": f"words {i}"}
            stream.write(json.dumps(row) + "\n")
    seconds, peak = lst(folder, "corpus", "add", str(folder / "rows.jsonl"), "--name", "rows")
    clip_folder = folder / "clips"
    for i in range(files):
        clip = clip_folder / f"{i // 500:03d}" / f"{i:05d}.wav"
        clip.parent.mkdir(parents=True, exist_ok=True)
        clip.touch()
        clip.with_suffix(".txt").write_text(f"words {i}")
    started = time.process_time()
    listed = list(choose_layout(clip_folder).read(clip_folder, True).entries)
    assert len(listed) == files
    listing_s = round(time.process_time() - started, 2)
    return {"manifest_peak_gb": round(peak, 3), "manifest_s": round(seconds, 1), "listing_s": listing_s}


def seams(folder: Path, seconds: int, *, base: bool) -> dict[str, Any]:
    """Share of units that are the same in windows as in one piece."""
    from lst_cli.units.features.hubert_files import describe_hubert
    from lst_cli.units.features.mfcc_config import describe_mfcc

    model = make_model(folder / "model", {} if base else SMALL)
    wave = np.concatenate([audio(RATE, seed) * (0.2 + seed % 3) for seed in range(seconds)])
    hubert = describe_hubert(str(model), 9 if base else 2)
    equal = equal_units(hubert, wave)
    core = round(hubert["window_s"] - 2 * hubert["context_s"]) * 25
    distance = np.abs(np.arange(len(equal))[:, None] - np.arange(core, len(equal), core)).min(axis=1)
    return {
        "agreement": round(float(equal.mean()), 5),
        "seam_agreement": round(float(equal[distance <= 50].mean()), 5),
        "mfcc_agreement": round(float(equal_units(describe_mfcc(None), wave).mean()), 5),
    }


def equal_units(features: dict[str, Any], wave: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which units are the same in the windows of a features config as in one window over all."""
    from lst_cli.units.features.registry import load_features
    from lst_cli.units.quantizer.codebook import Codebook
    from lst_cli.units.quantizer.kmeans import fit_kmeans
    from lst_cli.units.quantizer.quantize import Quantizer, tokenize_waveforms

    found = []
    centroids = None
    for window in (10_000.0, float(features["window_s"])):
        extractor = load_features({**features, "window_s": window}, "cpu")
        if centroids is None:
            frames = extractor.extract([wave[: 60 * RATE]]).cpu().numpy()
            centroids = fit_kmeans(frames, min(500, len(frames) // 4), seed=0, iterations=5).centroids_KD
        plain = np.zeros(extractor.dim, np.float32)
        codebook = Codebook(centroids_KD=centroids, mean_D=plain, scale_D=plain + 1, features=features)
        found.append(tokenize_waveforms(Quantizer(codebook, extractor), [wave])[0])
    equal: NDArray[np.bool_] = found[0] == found[1]
    return equal


if __name__ == "__main__":
    main()
