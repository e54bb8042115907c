from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lst_cli.audio.level import RULE, join_sentences, level_sentence
from lst_cli.audio.sample_rates import RATE_HZ

RATES = st.sampled_from([16_000, 22_050, 24_000, 24_250])


def sentence(seconds: float, rate: int, seed: int = 0, silence: float = 0.3) -> NDArray[np.float32]:
    """Noise between two silences."""
    noise = 0.2 * np.random.default_rng(seed).standard_normal(max(1, round(seconds * rate)))
    return np.pad(noise, round(silence * rate)).astype(np.float32)


@settings(max_examples=30)
@given(RATES, st.floats(0.02, 2.0), st.floats(0, 0.5), st.integers(0, 9))
def test_the_rule_holds_for_any_sentence(rate: int, seconds: float, silence: float, seed: int) -> None:
    levelled = level_sentence(sentence(seconds, rate, seed, silence), rate)
    assert len(levelled) % (rate // RATE_HZ) == 0
    before, after = round(RULE.before_s * rate), round(RULE.after_s * rate)
    assert not levelled[:before].any()
    assert not levelled[-after:].any()
    # At the longest: the sound, what is kept around it, the two silences, one frame to fill up, one window more.
    assert len(levelled) / rate <= seconds + 2 * RULE.keep_s + RULE.before_s + RULE.after_s + 0.04 + 2 * RULE.window_s
    assert np.abs(levelled).max() <= RULE.peak + 1e-6


def test_loudness_does_not_depend_on_how_loud_the_voice_is() -> None:
    quiet, loud = (level_sentence(gain * sentence(1.0, 22_050), 22_050) for gain in (0.01, 1.5))
    np.testing.assert_allclose(quiet, loud, atol=1e-5)
    sound = quiet[round(0.1 * 22_050) : -round(0.25 * 22_050)]
    assert 20 * np.log10(np.sqrt(np.square(sound).mean())) == pytest.approx(RULE.loudness_db, abs=0.3)


def test_a_high_peak_makes_the_whole_sentence_softer() -> None:
    samples = sentence(1.0, 16_000)
    samples[8000] = 40.0
    levelled = level_sentence(samples, 16_000)
    assert np.abs(levelled).max() == pytest.approx(RULE.peak)


def test_a_sentence_beside_another_sounds_as_it_does_alone() -> None:
    first, second = sentence(0.7, 22_050, 1), sentence(0.4, 22_050, 2)
    joined = join_sentences([first, second], 22_050)
    apart = [join_sentences([one], 22_050) for one in (first, second)]
    np.testing.assert_array_equal(joined, np.concatenate(apart))


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(5000, np.float32)])
def test_silence_is_nothing(samples: NDArray[np.float32]) -> None:
    assert len(join_sentences([samples], 16_000)) == 0
    assert len(join_sentences([], 16_000)) == 0
