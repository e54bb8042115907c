"""Speech that a small network learns in seconds: every letter is a chord of its own, and the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16_000
LETTERS = "abdegiklmnorstu"
WORDS = ["rain", "most", "times", "gold", "lamb", "red", "sun", "kite", "bread", "milk", "under", "lemon", "garden"]
_PAUSE_AFTER = 0.3
"""Share of words that a pause follows."""


@dataclass(frozen=True)
class Spoken:
    id: str
    text: str
    wave: NDArray[np.float32]
    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    letters_s: list[NDArray[np.float64]]
    """Where each letter of each word begins."""


def _chord(letter: str, seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    place = LETTERS.index(letter)
    time = np.arange(round(seconds * RATE)) / RATE
    low, high = 250 * 1.13**place, 1200 * 1.11 ** ((place * 7) % len(LETTERS))
    edge = np.minimum(1, np.minimum(time, time[::-1]) / 0.005)
    return edge * (np.sin(2 * np.pi * low * time) + 0.7 * np.sin(2 * np.pi * high * time + rng.uniform(0, 6)))


def speak(number: int) -> Spoken:
    """Three to six words, some followed by a pause, in faint noise."""
    rng = np.random.default_rng(number)
    words = rng.choice(WORDS, size=rng.integers(3, 7)).tolist()
    pieces = [np.zeros(round(rng.uniform(0.15, 0.4) * RATE))]
    starts, ends, letters = [], [], []
    for word in words:
        starts.append(sum(map(len, pieces)))
        chords = [_chord(letter, rng.uniform(0.06, 0.14), rng) for letter in word]
        letters.append((starts[-1] + np.cumsum([0, *map(len, chords[:-1])])) / RATE)
        pieces += chords
        ends.append(sum(map(len, pieces)))
        if rng.random() < _PAUSE_AFTER:
            pieces.append(np.zeros(round(rng.uniform(0.15, 0.4) * RATE)))
    wave = np.concatenate([*pieces, np.zeros(round(0.2 * RATE))])
    wave = 0.1 * wave + 0.0005 * rng.standard_normal(len(wave))
    starts_s, ends_s = np.array(starts) / RATE, np.array(ends) / RATE
    return Spoken(f"utt-{number:03d}", " ".join(words), wave.astype(np.float32), starts_s, ends_s, letters)


def write_folder(folder: Path, spoken: list[Spoken]) -> None:
    """Recordings with a transcript beside each."""
    folder.mkdir(parents=True)
    for one in spoken:
        soundfile.write(folder / f"{one.id}.wav", one.wave, RATE, subtype="FLOAT")
        (folder / f"{one.id}.txt").write_text(one.text + "\n", encoding="utf-8")
