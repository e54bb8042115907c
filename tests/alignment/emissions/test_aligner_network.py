from __future__ import annotations

import string

import numpy as np
import pytest
import torch

from lst_cli.alignment.emissions.aligner_network import emission, frames_out, new_network
from lst_cli.alignment.emissions.mel import mel_power
from lst_cli.alignment.emissions.spelling import N_LABELS, spell
from lst_cli.alignment.fit import augment as augment_module
from lst_cli.alignment.fit.aligner_config import AlignerNetworkConfig, AugmentConfig
from lst_cli.alignment.fit.aligner_examples import AlignerExample, batches, repeat_small
from lst_cli.alignment.fit.augment import augment
from lst_cli.alignment.fit.train_aligner import flat_labels
from lst_cli.alignment.words import Word, spoken_words
from tests.alignment.tones import Spoken

SMALL = AlignerNetworkConfig(bands=12, width=16, layers=2)


def test_weights_follow_from_the_seed_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (new_network(SMALL, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.letters.weight, other.letters.weight)


def test_company_changes_nothing() -> None:
    network = new_network(SMALL, 0).eval()
    mels = [torch.randn(frames, 12, generator=torch.Generator().manual_seed(frames)) for frames in (31, 80, 1)]
    together = emission(network, mels, 1.0)
    for mel_TM, scores_UV in zip(mels, together, strict=True):
        assert scores_UV.shape == (frames_out(len(mel_TM)), N_LABELS)
        assert torch.allclose(scores_UV, emission(network, [mel_TM], 1.0)[0], atol=1e-5)


def test_mel_of_silence_and_of_a_single_sample() -> None:
    assert mel_power(np.zeros(1600, dtype=np.float32), 12).abs().sum() == 0
    assert mel_power(np.ones(1, dtype=np.float32), 12).shape == (1, 12)


def test_distortions_are_a_function_of_seed_epoch_and_utterance(spoken: list[Spoken]) -> None:
    power_TM = mel_power(spoken[0].wave, 24)
    config = AugmentConfig()
    first = augment(power_TM, config, 0, 0, 2**64 - 1)
    assert torch.equal(first, augment(power_TM, config, 0, 0, 2**64 - 1))
    for ids in ((1, 0, 5), (0, 1, 5), (0, 0, 6)):
        changed = augment(power_TM, config, *ids)
        assert changed.shape != first.shape or not torch.equal(changed, first)
        assert bool(torch.isfinite(changed).all())
        assert len(power_TM) / 1.26 <= len(changed) <= len(power_TM) * 1.26


def test_noise_is_finite_where_a_draw_rounds_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment_module, "uniform", lambda *ids: np.full(np.broadcast(*ids[1:]).shape, 1 - 2.0**-53))
    assert bool(torch.isfinite(augment(torch.ones(50, 12), AugmentConfig(), 0, 0, 0)).all())


def example(number: int, seconds: float) -> AlignerExample:
    return AlignerExample(number, seconds, torch.ones(round(100 * seconds), 4), [Word("a", ("a",))])


def test_every_utterance_comes_once_an_epoch() -> None:
    seconds = [1.0 + (7 * i % 5) for i in range(150)]
    seen: dict[int, list[int]] = {0: [], 1: []}
    for epoch, batch in batches(seconds, 20.0, 3):
        if epoch == 2:
            break
        assert len(batch) * max(seconds[i] for i in batch) <= 20
        seen[epoch] += batch
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(150))
    assert seen[0] != seen[1]


def test_small_corpora_are_repeated() -> None:
    large, small = [example(i, 9.0) for i in range(10)], [example(10, 3.0)]
    together = repeat_small([large, small, []], 0.1)
    assert len(together) == 10 + 4
    assert len({one.id for one in together}) == 14


def test_doubled_letters_and_first_letters() -> None:
    spelling = spell(spoken_words("Will most times", frozenset(string.ascii_lowercase)))
    assert len(spelling.labels) == len("wilmosttimes")
    assert spelling.words == (0,) * 3 + (1,) * 4 + (2,) * 5
    assert all(left != right for left, right in zip(spelling.labels, spelling.labels[1:], strict=False))


def test_the_flat_start_keeps_letters_out_of_silence(spoken: list[Spoken]) -> None:
    one = spoken[0]
    words = spoken_words(one.text, frozenset(string.ascii_lowercase))
    spelling = spell(words)
    power_TM = mel_power(one.wave, 24)
    labels_U = flat_labels(AlignerExample(0, 1.0, power_TM, words), frames_out(len(power_TM)), 30.0)
    letters = [int(label) for label in torch.unique_consecutive(labels_U[labels_U > 0])]
    assert letters == list(spelling.labels)
    assert labels_U[: int(one.starts_s[0] * 50) - 2].abs().sum() == 0


def test_the_flat_start_of_pure_silence() -> None:
    labels_U = flat_labels(example(0, 1.0), 50, 30.0)
    assert set(labels_U.tolist()) <= {0, 27}
