"""The meaning of scores of ``lst align``: how often words are off, with correct and with damaged transcripts.

Every utterance of the corpora is aligned with its own transcript, with a third of its words replaced by those of
another utterance, with its first three words missing, and with the whole transcript of another utterance. Times are
compared with PocketSphinx's forced alignment of the right transcript. A word is off when its beginning or its end is
more than 100 ms away. Prints JSON: shares of words that are off by range of score, over the right, replaced and
missing cases; and the scores of utterances in each case (5th percentile, median, 95th percentile).

    python benchmarks/align.py --quick --root artifacts          # makes the corpora and the aligner
    python benchmarks/align_scores.py --root artifacts --aligner aligner/small corpus/spoken corpus/librivox
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from align import spoken_boundaries
from numpy.typing import NDArray

from lst_cli.alignment.align_batch import load_emitter, word_edges
from lst_cli.alignment.kinds import ALIGNER
from lst_cli.alignment.words import Unalignable, Word, spoken_words
from lst_cli.artifacts import Store
from lst_cli.audio.corpus_artifact import CORPUS, Corpus
from lst_cli.audio.decode import read_utterances

OFF_S = 0.1
RATE = 16_000
RANGES = (0.0, 0.1, 0.3, 0.5, 0.7, 1.01)
MISSING = 3


def cases(own: list[Word], other: list[Word], number: int) -> Iterator[tuple[str, list[Word], NDArray[np.int64]]]:
    """Transcripts of an utterance, and which word of the right one each of their words is (-1: none)."""
    rng = np.random.default_rng(number)
    yield "right", own, np.arange(len(own))
    replaced = rng.random(len(own)) < 1 / 3
    mixed = [other[at % len(other)] if replaced[at] else word for at, word in enumerate(own)]
    yield "a third replaced", mixed, np.arange(len(own))
    if len(own) > MISSING:
        yield "three missing", own[MISSING:], np.arange(MISSING, len(own))
    yield "another's", other, np.full(len(other), -1)


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description="Scores of lst align against how far words are off.")
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--aligner", required=True)
    options = parser.parse_args()
    store = Store(options.root)
    emitter = load_emitter(store.find(options.aligner, ALIGNER), None)
    words: list[tuple[float, bool]] = []
    utterances: dict[str, list[float]] = {}
    for reference in options.corpora:
        clips = list(read_utterances(list(Corpus(store.find(reference, CORPUS)))))
        for number, (utterance, wave) in enumerate(clips):
            own = spoken_words(str(utterance.text), emitter.letters)
            other = spoken_words(str(clips[number - 7 if len(clips) > 7 else number - 1][0].text), emitter.letters)
            known = spoken_boundaries(wave, RATE, [part for word in own for part in word.parts])
            if known is None or any(len(word.parts) > 1 for word in own):
                print(f"{utterance.id}: no times by PocketSphinx", file=sys.stderr)
                continue
            logp_UV = emitter.emit([wave])[0]
            for case, transcript, place in cases(own, other, number):
                try:
                    placed, starts, ends = word_edges(transcript, wave, logp_UV, emitter)
                except Unalignable:
                    continue
                utterances.setdefault(f"{reference}, {case}", []).append(emitter.trust * placed.score)
                if case != "another's":
                    off = np.abs(np.stack([starts, ends], axis=1) / RATE - known[place]).max(axis=1) > OFF_S
                    words += zip((emitter.trust * placed.scores_W).tolist(), off.tolist(), strict=True)
    score, off = np.array(words).T
    bins = {
        f"{low:g} to {min(high, 1):g}": {"off": round(float(off[chosen].mean()), 3), "words": int(chosen.sum())}
        for low, high in pairwise(RANGES)
        if (chosen := (score >= low) & (score < high)).any()
    }
    quantiles = {name: np.quantile(found, [0.05, 0.5, 0.95]).round(2).tolist() for name, found in utterances.items()}
    print(json.dumps({"words_off_by_score": bins, "utterance_scores": quantiles}, indent=1))


if __name__ == "__main__":
    main()
