"""How loud synthesised sentences are, and the silence around them: one rule for every engine.

Each sentence is trimmed to its sound, normalised in loudness, and padded with fixed silences, so that
its length is a whole number of 40 ms token frames. So a prompt and an ending that were spoken apart and then
joined are, sample for sample, built like two sentences spoken in one line, and every sentence starts on a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.audio.sample_rates import RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LevelRule:
    """The numbers of the rule."""

    window_s: float = 0.01
    """Loudness is measured in windows of this length."""
    sound_db: float = -40.0
    """A window sounds if it is at most this far below the loudest one."""
    keep_s: float = 0.02
    """Kept before the first and after the last window that sounds, faded in and out."""
    before_s: float = 0.04
    """Silence before a sentence."""
    after_s: float = 0.12
    """Silence after a sentence; filled up to the next token frame."""
    loudness_db: float = -23.0
    """RMS of the windows that sound, in dB below full scale."""
    peak: float = 0.95
    """No sample exceeds this; a sentence with higher peaks is made softer as a whole."""


RULE = LevelRule()


def rule_config() -> dict[str, float]:
    """The rule as plain data, for the fingerprint."""
    return asdict(RULE)


def join_sentences(sentences: Sequence[NDArray[np.float32]], sample_rate: int) -> NDArray[np.int16]:
    """Level every sentence by the rule and lay them end to end as 16-bit samples; empty if nothing sounds."""
    levelled = [level_sentence(sentence, sample_rate) for sentence in sentences]
    if not levelled:
        return np.zeros(0, np.int16)
    scaled: NDArray[np.float32] = np.concatenate(levelled) * np.float32(32767)
    return np.round(scaled).astype(np.int16)


def level_sentence(samples_N: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """One sentence by the rule, in [-1, 1]; empty if it is silent.

    Its length is a multiple of 40 ms at ``sample_rate``, which must be a multiple of 25 Hz.
    """
    window = round(RULE.window_s * sample_rate)
    padded = np.pad(samples_N, (0, -len(samples_N) % window))
    power = np.square(padded, dtype=np.float64).reshape(-1, window).mean(axis=1)
    if not len(power) or power.max() < 1e-10:
        return np.zeros(0, np.float32)
    sounding = np.flatnonzero(power >= power.max() * 10 ** (RULE.sound_db / 10))
    keep = round(RULE.keep_s * sample_rate)
    first = max(0, int(sounding[0]) * window - keep)
    last = min(len(samples_N), (int(sounding[-1]) + 1) * window + keep)
    gain = 10 ** (RULE.loudness_db / 20) / np.sqrt(power[sounding].mean())
    cut = samples_N[first:last] * np.float32(min(gain, RULE.peak / np.abs(samples_N[first:last]).max()))
    fade = np.linspace(0, 1, min(keep, len(cut) // 2), dtype=np.float32)
    cut[: len(fade)] *= fade
    cut[len(cut) - len(fade) :] *= fade[::-1]
    before, after = round(RULE.before_s * sample_rate), round(RULE.after_s * sample_rate)
    frame = sample_rate // RATE_HZ
    return np.pad(cut, (before, after + -(before + len(cut) + after) % frame))
