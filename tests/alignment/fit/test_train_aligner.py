from __future__ import annotations

import numpy as np

from lst_cli.alignment.align_batch import align_words
from lst_cli.alignment.emissions.emitters import SmallEmitter
from lst_cli.alignment.emissions.mel import mel_power
from lst_cli.alignment.emissions.spelling import LETTERS
from lst_cli.alignment.fit.aligner_examples import AlignerExample
from lst_cli.alignment.fit.train_aligner import train
from lst_cli.alignment.words import spoken_words
from tests.alignment.conftest import QUICK
from tests.alignment.tones import RATE, Spoken


def test_noise_above_the_usual_silence_is_still_silence(spoken: list[Spoken]) -> None:
    """Without a threshold that follows the noise, silence dies out in training and no boundary is right."""
    rng = np.random.default_rng(0)
    noisy = [one.wave + 0.02 * rng.standard_normal(len(one.wave)).astype(np.float32) for one in spoken]  # about 12 dB
    examples = [
        AlignerExample(
            number,
            len(wave) / RATE,
            mel_power(wave, QUICK.network.bands),
            spoken_words(one.text, LETTERS),
        )
        for number, (one, wave) in enumerate(zip(spoken[:40], noisy, strict=False))
    ]
    network, statistics = train(examples, QUICK)
    assert statistics["silence_prior"] > 0.1
    emitter = SmallEmitter(network, QUICK)
    differences = []
    for one, wave in zip(spoken[40:], noisy[40:], strict=True):
        words = spoken_words(one.text, LETTERS)
        row = align_words(words, wave, emitter.emit([wave])[0], emitter, len(wave) // 640)
        differences += np.abs(np.array(row["starts"]) * 0.04 - one.starts_s).tolist()
        differences += np.abs(np.array(row["ends"]) * 0.04 - one.ends_s).tolist()
    assert np.median(differences) < 0.030
