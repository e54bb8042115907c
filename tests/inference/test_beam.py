"""Beam search against exhaustive search and against greedy decoding."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lst_cli.artifacts import Store
from lst_cli.inference.beam import beam_search
from lst_cli.inference.generate import Prompt, generate
from lst_cli.model.model_config import ModelConfig
from lst_cli.model_artifact.card import LoadedModel, load_model
from lst_cli.patching.strategies import FITTED, PatchingConfig
from tests.inference.models import (
    UNITS,
    baseline_config,
    bigram,
    latent_config,
    model_artifact,
    random_model,
    vocabulary,
)


def prompts(count: int, limit: int, seed: int = 0) -> list[Prompt]:
    rng = np.random.default_rng(seed)
    words = vocabulary()
    return [
        Prompt(
            tokens=np.array([words.s_marker, *(rng.integers(0, UNITS, 2 + n) + words.speech_start)], np.int32),
            limit=limit,
        )
        for n in range(count)
    ]


def sharp_bigram(tmp_path: Path, seed: int) -> tuple[LoadedModel, np.ndarray]:
    """Speech tokens follow each other with very unequal probabilities; nothing else ever comes."""
    words = vocabulary()
    likely = [words.eos, *range(words.speech_start, words.size)]
    p_VV = np.full((words.size, words.size), 1e-9)
    p_VV[:, likely] = np.random.default_rng(seed).dirichlet(np.full(len(likely), 0.3), words.size)
    log_p_VV = np.log(p_VV / p_VV.sum(1, keepdims=True)).astype(np.float32)
    return load_model(model_artifact(Store(tmp_path), f"m{seed}", *bigram(log_p_VV))), log_p_VV


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_sequence(tmp_path: Path, seed: int, length_penalty: float) -> None:
    """All sequences of at most three units that end, by hand; a beam of 144 hypotheses misses none."""
    loaded, log_p_VV = sharp_bigram(tmp_path, seed)
    words, limit = vocabulary(), 3
    (prompt,) = prompts(1, limit + 1, seed)
    units = range(words.speech_start, words.size)
    scores = {}
    for length in range(limit + 1):
        for tokens in itertools.product(units, repeat=length):
            chain = [int(prompt.tokens[-1]), *tokens, words.eos]
            log_prob = sum(float(log_p_VV[a, b]) for a, b in itertools.pairwise(chain))
            scores[tokens] = log_prob / (length + 1) ** length_penalty
    best = max(scores, key=scores.__getitem__)
    (found,) = beam_search(loaded, [prompt], "speech", beams=UNITS**2, length_penalty=length_penalty)
    assert found.ended
    if len(found.tokens) <= limit:
        assert tuple(found.tokens) == best
        assert found.log_prob / (len(best) + 1) ** length_penalty == pytest.approx(scores[best], abs=1e-3)


def test_a_hypothesis_that_gets_better_on_the_way_is_not_given_up(tmp_path: Path) -> None:
    """The end is likely at once; a rare unit leads on and on with hardly any doubt, so that its mean is the best."""
    words = vocabulary()
    units = list(range(words.speech_start, words.size))
    p_VV = np.full((words.size, words.size), 1e-4)
    p_VV[words.s_marker, words.eos], p_VV[words.s_marker, units[2]] = 0.3, 0.06
    for unit, following in itertools.pairwise([*units, words.eos]):
        p_VV[unit, following] = 1.0
    log_p_VV = np.log(p_VV).astype(np.float32)
    loaded = load_model(model_artifact(Store(tmp_path), "m", *bigram(log_p_VV)))
    start = Prompt(tokens=np.array([words.s_marker], np.int32), limit=20)
    mean, total = (beam_search(loaded, [start], "speech", beams=3, length_penalty=penalty)[0] for penalty in (1, 0))
    assert mean.tokens == units[2:] and mean.ended
    assert total.tokens == [] and total.ended


@pytest.mark.parametrize("config", [baseline_config(), latent_config()], ids=["baseline", "lst"])
def test_one_beam_is_greedy(tmp_path: Path, config: ModelConfig) -> None:
    loaded = load_model(model_artifact(Store(tmp_path), "m", config, random_model(config)))
    some = prompts(5, 9)
    greedy, beam = generate(loaded, some, "speech"), beam_search(loaded, some, "speech", beams=1)
    assert [each.tokens for each in beam] == [each.tokens for each in greedy]
    for one, other in zip(beam, greedy, strict=True):
        assert one.log_prob == pytest.approx(other.log_prob, abs=1e-3)
        assert (one.context_positions, one.new_positions) == (other.context_positions, other.new_positions)
        assert one.context_positions > 0 and one.ended == other.ended


@pytest.mark.parametrize("strategy", ["none", "static", "random", *FITTED])
def test_company_changes_nothing_and_scores_are_true(tmp_path: Path, strategy: Any) -> None:
    config = baseline_config() if strategy == "none" else latent_config()
    loaded = load_model(
        model_artifact(Store(tmp_path), "m", config, random_model(config), PatchingConfig(strategy=strategy))
    )
    some = prompts(5, 7)
    told: list[int] = []
    together = beam_search(
        loaded, some, "speech", beams=4, rows=32, on_done=lambda index, continuation: told.append(index)
    )
    apart = beam_search(loaded, some, "speech", beams=4, rows=1)
    assert [each.tokens for each in together] == [each.tokens for each in apart] and sorted(told) == list(range(5))
    # The log-probability is the model's own: score the same tokens anew.
    from lst_cli.model.decode.decoding import DecodingState

    for prompt, found in zip(some, together, strict=True):
        state = DecodingState(loaded.model, vocabulary(), loaded.card.rule, 1)
        state.feed(np.array([0]), [prompt.tokens])
        tokens = [*found.tokens, vocabulary().eos] if found.ended else found.tokens
        expected = torch.cat(state.score(np.array([0]), [np.array(tokens)])).sum()
        assert found.log_prob == pytest.approx(float(expected), abs=1e-3)


def test_a_limit_of_nothing(tmp_path: Path) -> None:
    config = baseline_config()
    loaded = load_model(model_artifact(Store(tmp_path), "m", config, random_model(config)))
    assert beam_search(loaded, prompts(1, 0), "speech", beams=3)[0].tokens == []
