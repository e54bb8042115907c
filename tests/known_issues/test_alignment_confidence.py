"""Alignment tells when it is bad: scores fall when words are off, and a fit that learnt nothing is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from lst_cli.alignment.align_batch import align_words
from lst_cli.alignment.align_corpus import RunOptions, plan_run
from lst_cli.alignment.confidence import place
from lst_cli.alignment.emissions.aligner_network import LetterNetwork, new_network
from lst_cli.alignment.emissions.emitters import SmallEmitter
from lst_cli.alignment.emissions.spelling import LETTERS
from lst_cli.alignment.fit.aligner_examples import AlignerExample, hold_out
from lst_cli.alignment.fit.check_aligner import check_learned
from lst_cli.alignment.fit.fit_aligner import KnownTimes, load_network, plan_fit
from lst_cli.alignment.kinds import ALIGNMENT
from lst_cli.alignment.shared_alignment import AlignmentModel
from lst_cli.alignment.words import Word, spoken_words
from lst_cli.artifacts import Artifact, Store
from lst_cli.commands.data.align import _known_times
from lst_cli.distributed.launcher import Rank
from lst_cli.errors import LstError, UserError
from tests.alignment.conftest import QUICK, add_corpus, aligner, corpus, fake_tokens, spoken, store, tokens
from tests.alignment.tones import Spoken, speak, write_folder

__all__ = ["aligner", "corpus", "spoken", "store", "tokens"]  # fixtures


def scores(emitter: SmallEmitter, one: Spoken, text: str) -> tuple[list[float], float]:
    words = spoken_words(text, LETTERS)
    row = align_words(words, one.wave, emitter.emit([one.wave])[0], emitter, len(one.wave) // 640)
    return row["scores"], row["score"]


@pytest.fixture(scope="module")
def emitter(aligner: Artifact) -> SmallEmitter:
    return SmallEmitter(*load_network(aligner))


def test_wrong_words_scored_nearly_as_right_ones(emitter: SmallEmitter) -> None:
    right, wrong = [], []
    for number in range(100, 130):
        one, other = speak(number), speak(number + 1)
        right.append(scores(emitter, one, one.text)[1])
        if set(one.text.split()).isdisjoint(other.text.split()):
            wrong.append(scores(emitter, one, other.text)[1])
    assert min(right) > 0.8 and max(wrong) < 0.5 and abs(np.mean(wrong)) < 0.25


def test_one_replaced_word_is_the_one_with_the_low_score(emitter: SmallEmitter) -> None:
    found = 0
    for number in range(100, 120):
        one = speak(number)
        words = one.text.split()
        words[1] = "bread" if words[1] != "bread" else "kite"
        each, _ = scores(emitter, one, " ".join(words))
        found += each[1] == min(each) and each[1] < 0.5
    assert found >= 16


def test_an_untrained_network_was_as_sure_as_a_trained_one(spoken: list[Spoken]) -> None:
    for seed in range(3):
        emitter = SmallEmitter(new_network(QUICK.network, seed).eval(), QUICK)
        assert abs(np.mean([scores(emitter, one, one.text)[1] for one in spoken[:20]])) < 0.1


@pytest.mark.parametrize("text", ["a", "anna", "a a a"])
def test_words_that_read_the_same_backwards_have_a_score(emitter: SmallEmitter, text: str) -> None:
    logp_UV = torch.full((40, 53), -6.0)
    labels = emitter.spell(spoken_words(text, LETTERS)).labels
    for frame in range(40):
        logp_UV[frame, labels[frame * len(labels) // 40]] = -0.1
    assert place(logp_UV, spoken_words(text, LETTERS), emitter).score == pytest.approx(1.0)


def examples(spoken: list[Spoken]) -> list[AlignerExample]:
    from lst_cli.alignment.emissions.mel import mel_power

    bands = QUICK.network.bands
    return [
        AlignerExample(n, len(one.wave) / 16_000, mel_power(one.wave, bands), spoken_words(one.text, LETTERS))
        for n, one in enumerate(spoken)
    ]


def shuffled(some: list[AlignerExample]) -> list[AlignerExample]:
    return [dataclasses.replace(e, words=[Word("zzz", ("zyxwv",))] * 3) for e in some]


def test_a_fit_that_learnt_nothing_is_refused(aligner: Artifact, spoken: list[Spoken]) -> None:
    network, config = load_network(aligner)
    some = examples(spoken[:12])
    with pytest.raises(LstError, match="did not learn to align"):
        check_learned(network, shuffled(some), some, config)
    untrained: LetterNetwork = new_network(config.network, 1).eval()
    with pytest.raises(LstError, match="did not learn to align"):
        check_learned(untrained, some, some, config)


def test_an_aligner_that_memorised_its_speech_trusted_its_own_scores(
    aligner: Artifact, spoken: list[Spoken], capsys: pytest.CaptureFixture[str]
) -> None:
    network, config = load_network(aligner)
    some = examples(spoken[:20])
    # As if the held-out speech were in a voice that it can't read.
    told = check_learned(network, some, shuffled(some), config)
    assert told["trust"] < 0.3 and "memorised" in capsys.readouterr().err
    told = check_learned(network, some, examples(spoken[30:]), config)
    assert told["trust"] > 0.9 and "minutes of speech: 10 or more" in capsys.readouterr().err


def test_scores_are_multiplied_by_trust(aligner: Artifact, spoken: list[Spoken]) -> None:
    full, half = (SmallEmitter(*load_network(aligner), trust=trust) for trust in (1.0, 0.5))
    words, score = scores(full, spoken[0], spoken[0].text)
    assert scores(half, spoken[0], spoken[0].text) == ([pytest.approx(0.5 * w) for w in words], score / 2)


@pytest.mark.parametrize("count", [1, 2, 5, 60, 2000])
def test_some_utterances_are_held_out_and_some_are_left(count: int) -> None:
    some = [AlignerExample(n, 1.0, torch.zeros(1), []) for n in range(count)]
    kept, held_out = hold_out([some[: count // 2], some[count // 2 :]], 0)
    assert len(held_out) == {1: 0, 2: 1, 5: 1, 60: 3, 2000: 50}[count]
    assert sorted(e.id for e in [*kept[0], *kept[1], *held_out]) == list(range(count))


def test_fit_prints_how_far_boundaries_are_from_known_ones(
    store: Store, corpus: Artifact, tokens: Artifact, aligner: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    options = RunOptions(
        corpus=corpus,
        tokens=tokens,
        model=AlignmentModel(aligner=aligner, model=None, language="en", min_score=0.1),
        name="known",
        max_reject_rate=0.01,
    )
    known = store.build(*plan_run(options, Rank(0, 1, 0))).artifact
    assert known.kind == ALIGNMENT.name
    times = _known_times(store, known.reference)
    assert times == KnownTimes(known, corpus)
    fitted = store.build(*plan_fit([corpus], "checked", QUICK, 0.0, times)).artifact
    # The same settings, so the same network: what is left is the rounding to tokens.
    assert fitted.statistics["check_median_ms"] < 25 and fitted.statistics["check_utterances"] == 50
    assert "word boundaries are" in capsys.readouterr().err


def test_an_alignment_with_low_scores_is_warned_of(
    store: Store, corpus: Artifact, tokens: Artifact, aligner: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    doubtful = dataclasses.replace(aligner, statistics={**aligner.statistics, "trust": 0.2})
    options = RunOptions(
        corpus=corpus,
        tokens=tokens,
        model=AlignmentModel(aligner=doubtful, model=None, language="en", min_score=0.0),
        name="doubtful",
        max_reject_rate=0.0,
    )
    store.build(*plan_run(options, Rank(0, 1, 0)))
    assert "boundaries are off by more than" in capsys.readouterr().err


def test_known_times_of_other_utterances_are_refused(
    store: Store, corpus: Artifact, aligner: Artifact, tmp_path: Path
) -> None:
    write_folder(tmp_path / "other", [dataclasses.replace(speak(300), id="other")])
    other = add_corpus(store, tmp_path / "other", "elsewhere")
    tokens = fake_tokens(store, other, "elsewhere")
    options = RunOptions(
        corpus=other,
        tokens=tokens,
        model=AlignmentModel(aligner=aligner, model=None, language="en", min_score=0.0),
        name="elsewhere",
        max_reject_rate=0.0,
    )
    known = store.build(*plan_run(options, Rank(0, 1, 0))).artifact
    with pytest.raises(UserError, match="nothing to compare"):
        store.build(*plan_fit([corpus], "unchecked", QUICK, 0.0, KnownTimes(known, corpus)))
