"""Words get the times of the frames in which their letters are heard."""

from __future__ import annotations

from collections.abc import Sequence
from unittest import mock

import numpy as np
import torch

from lst_cli.alignment.emissions.aligner_network import FRAME_HOP, LetterNetwork
from lst_cli.alignment.emissions.emitters import SmallEmitter
from lst_cli.alignment.emissions.spelling import BLANK, N_LABELS, spell
from lst_cli.alignment.fit.aligner_config import AlignerConfig
from lst_cli.alignment.words import Word, spoken_words
from lst_cli.inference.word_times import WordTimer, _batches

RATE = 16_000


class Sure(SmallEmitter):
    """Hears ``cat`` from 0.4 to 1.0 s and ``dog`` from 1.6 to 2.2 s, in whatever it is given."""

    def __init__(self) -> None:
        super().__init__(LetterNetwork(AlignerConfig().network), AlignerConfig())

    def emit(self, waves: Sequence[np.ndarray]) -> list[torch.Tensor]:
        labels = spell([Word("cat", ("cat",)), Word("dog", ("dog",))]).labels
        done = []
        for wave in waves:
            spoken = torch.full((len(wave) // FRAME_HOP,), BLANK)
            for place, (start, label) in enumerate(zip((0.4, 0.6, 0.8, 1.6, 1.8, 2.0), labels, strict=True)):
                assert place < 6
                spoken[round(start * RATE / FRAME_HOP) : round((start + 0.2) * RATE / FRAME_HOP)] = label
            done.append(torch.log_softmax(9 * torch.nn.functional.one_hot(spoken, N_LABELS).float(), -1))
        return done


def test_times_are_those_of_the_letters() -> None:
    wave = np.zeros(3 * RATE, np.float32)
    (plain, later, none, foreign) = WordTimer(Sure()).times(
        [wave] * 4, ["cat dog", "Cat. Dog!", "", "\u043a\u043e\u0442"], [0.0, 60.0, 0.0, 0.0]
    )
    assert plain is not None and [word.text for word in plain] == ["cat", "dog"]
    assert np.allclose([(word.start_s, word.end_s) for word in plain], [(0.4, 1.0), (1.6, 2.2)], atol=0.041)
    assert later is not None and [word.text for word in later] == ["Cat.", "Dog!"]
    assert np.isclose(later[0].start_s - plain[0].start_s, 60.0)
    assert none == [] and foreign is None


def test_numbers_are_spoken_in_the_language() -> None:
    wave = np.zeros(3 * RATE, np.float32)
    heard = []
    for language in ("en", "de"):
        with mock.patch("lst_cli.inference.word_times.spoken_words", wraps=spoken_words) as made:
            WordTimer(Sure(), language).times([wave], ["7"], [0.0])
        heard.append(spoken_words(*made.call_args.args)[0].parts)
    assert heard == [("seven",), ("sieben",)]


def test_batches_are_neighbours_that_fit() -> None:
    assert list(_batches([30, 30, 5, 5, 5, 90], 60)) == [[0, 1], [2, 3, 4], [5]]
