"""Decoding against a model whose next token is known, and against itself alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.inference import generate as generation
from lst_cli.inference.generate import Prompt, allowed_tokens, generate, to_host
from lst_cli.inference.sampling import Sampling
from lst_cli.inference.transcription import asr_prompt, transcribe_units
from lst_cli.model.model_config import ModelConfig
from lst_cli.model_artifact.card import LoadedModel, load_model
from lst_cli.text.speech_codec import SpeechCodec
from tests.inference.models import (
    UNITS,
    baseline_config,
    bigram,
    latent_config,
    model_artifact,
    random_model,
    vocabulary,
)
from tests.inference.reciting import recited_text, reciting_artifact


@pytest.fixture(scope="module")
def reciting(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(reciting_artifact(Store(tmp_path_factory.mktemp("root"))))


def prompt(*tokens: int, limit: int = 50, key: int = 0) -> Prompt:
    return Prompt(tokens=np.array(tokens, np.int32), limit=limit, key=key)


def test_greedy_follows_the_likeliest(reciting: LoadedModel) -> None:
    words = vocabulary()
    start = words.speech_start
    prompts = [
        prompt(words.s_marker),
        prompt(words.s_marker, start + 7),
        prompt(words.s_marker, limit=3),
        prompt(words.s_marker, start + 9),
        prompt(words.s_marker, limit=0),
    ]
    told: list[int] = []
    streamed: list[tuple[int, int]] = []
    out = generate(
        reciting,
        prompts,
        "speech",
        rows=2,
        on_done=lambda index, _: told.append(index),
        on_token=lambda index, token: streamed.append((index, token)),
    )
    assert [[token - start for token in each.tokens] for each in out] == [list(range(10)), [8, 9], [0, 1, 2], [], []]
    assert [each.ended for each in out] == [True, True, False, True, False]
    assert out[1].log_prob == pytest.approx(3 * np.log(0.9), abs=1e-4)
    assert sorted(told) == [0, 1, 2, 3, 4]
    assert [token - start for index, token in streamed if index == 0] == list(range(10))


def test_transcribing(reciting: LoadedModel) -> None:
    expected = recited_text()
    long, short = transcribe_units(reciting, [np.arange(40) % UNITS, np.array([3])])
    assert (long.text, long.ended) == (expected, True)
    # One unit allows 17 pieces.
    assert not short.ended and short.pieces == 17 and expected.startswith(short.text)


def test_markers_never_come() -> None:
    words = vocabulary()
    for modality in ("text", "speech"):
        allowed = allowed_tokens(words, modality)  # type: ignore[arg-type]
        assert allowed[words.eos] and not allowed[[0, 1, words.t_marker, words.s_marker]].any()
    assert allowed_tokens(words, "speech").sum() == UNITS + 1
    assert allowed_tokens(words, "text").sum() == words.pieces - 2


@pytest.mark.parametrize("config", [baseline_config(), latent_config()], ids=["baseline", "lst"])
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.8, top_k=40, seed=3)], ids=["greedy", "drawn"])
def test_company_changes_nothing(tmp_path: Path, config: ModelConfig, sampling: Sampling) -> None:
    loaded = load_model(model_artifact(Store(tmp_path), "m", config, random_model(config)))
    words = vocabulary()
    rng = np.random.default_rng(0)
    prompts = []
    for key in range(7):
        units = [int(unit) for unit in rng.integers(words.speech_start, words.size, int(rng.integers(0, 11)))]
        prompts.append(prompt(words.s_marker, *units, limit=int(rng.integers(1, 14)), key=key))
    together = generate(loaded, prompts, "speech", sampling)
    for rows in (1, 3):
        assert [each.tokens for each in generate(loaded, prompts, "speech", sampling, rows=rows)] == [
            each.tokens for each in together
        ]
    # Closed patches: the marker, and four units each; the last token was fed only where another came after it.
    size = 1 if config.local is None else 4
    for start, made in zip(prompts, together, strict=True):
        units, fed = len(start.tokens) - 1, len(made.tokens) - (not made.ended)
        assert made.context_positions == 1 + units // size
        assert made.new_positions == (units + fed) // size - units // size


def test_each_prompt_and_each_place_has_a_draw_of_its_own(tmp_path: Path) -> None:
    """All tokens equally likely: what comes is the draws alone, which the seed, the key and the place make."""
    words = vocabulary()
    log_p_VV = np.full((words.size, words.size), -np.log(words.size), np.float32)
    loaded = load_model(model_artifact(Store(tmp_path), "even", *bigram(log_p_VV)))

    def said(seed: int, *keys: int) -> list[list[int]]:
        prompts = [prompt(words.s_marker, limit=30, key=key) for key in keys]
        return [each.tokens for each in generate(loaded, prompts, "speech", Sampling(temperature=1, seed=seed))]

    first, second, again = said(0, 1, 2, 1)
    assert first == again != second and said(1, 1) != [first]
    long = max(said(0, *range(20)), key=len)
    assert len(set(long)) > 3


def test_the_asr_prompt() -> None:
    words = vocabulary()
    made = asr_prompt(SpeechCodec(words), np.array([0, 5], np.uint16))
    assert made.tokens.tolist() == [words.s_marker, words.speech_start, words.speech_start + 5, words.t_marker]
    assert made.limit == 18


def log_p(*probabilities: float) -> torch.Tensor:
    return torch.tensor([probabilities]).log()


def drawn(sampling: Sampling, logs: torch.Tensor, before: list[int] | None = None, n: int = 400) -> dict[int, float]:
    """Share of each token among evenly spread draws."""
    tokens = [int(sampling.choose(logs, [before or []], [(i + 0.5) / n])) for i in range(n)]
    return {token: tokens.count(token) / n for token in sorted(set(tokens))}


def test_sampling_follows_the_distribution() -> None:
    logs = log_p(0.5, 0.0, 0.125, 0.375)
    assert drawn(Sampling(temperature=1), logs) == pytest.approx({0: 0.5, 2: 0.125, 3: 0.375}, abs=0.01)
    assert drawn(Sampling(temperature=1, top_k=2), logs) == pytest.approx({0: 4 / 7, 3: 3 / 7}, abs=0.01)
    assert drawn(Sampling(temperature=1, top_p=0.4), logs) == {0: 1.0}
    assert drawn(Sampling(temperature=1, top_p=0.6), logs) == pytest.approx({0: 4 / 7, 3: 3 / 7}, abs=0.01)
    assert drawn(Sampling(temperature=0.5), logs) == pytest.approx(
        {0: 0.25 / 0.40625, 2: 0.015625 / 0.40625, 3: 0.140625 / 0.40625}, abs=0.01
    )


def test_repetition_penalty() -> None:
    logs = log_p(0.5, 0.0, 0.125, 0.375)
    assert drawn(Sampling(repetition_penalty=2), logs, before=[0, 0]) == {3: 1.0}
    assert drawn(Sampling(repetition_penalty=2), logs) == {0: 1.0}
    # Squared probabilities of the tokens seen, each once however often it came; drawn at temperature 1.
    total = 0.5**2 + 0.125 + 0.375
    expected = {0: 0.5**2 / total, 2: 0.125 / total, 3: 0.375 / total}
    penalised = Sampling(temperature=1, repetition_penalty=2)
    assert drawn(penalised, logs, before=[0, 0]) == pytest.approx(expected, abs=0.01)
    # Each row has its own past.
    two = Sampling(repetition_penalty=2).choose(logs.repeat(2, 1), [[], [0]], [0.5, 0.5])
    assert two.tolist() == [0, 3]
    # The filters see what the penalty has left: 0.375, 0.25 and 0.125.
    assert drawn(Sampling(temperature=1, repetition_penalty=2, top_k=1), logs, before=[0]) == {3: 1.0}


def test_top_p_counts_what_top_k_has_left_and_stops_as_it_is_reached() -> None:
    logs = log_p(0.5, 0.25, 0.0, 0.125, 0.125)
    # Of the two likeliest, the first alone has two thirds.
    assert drawn(Sampling(temperature=1, top_k=2, top_p=0.6), logs) == {0: 1.0}
    assert drawn(Sampling(temperature=1, top_p=0.5), logs) == {0: 1.0}
    assert drawn(Sampling(temperature=1, top_p=0.75), logs) == pytest.approx({0: 2 / 3, 1: 1 / 3}, abs=0.01)
    # Equal tokens: the one of the smaller id stays.
    assert drawn(Sampling(temperature=1, top_k=3), logs) == pytest.approx({0: 4 / 7, 1: 2 / 7, 3: 1 / 7}, abs=0.01)
    assert set(drawn(Sampling(temperature=1, top_p=1.0), logs)) == {0, 1, 3, 4}


@pytest.mark.parametrize("temperature", [5e-324, 1e-45, 1e-38, 1e-3, 1e38, 1e308])
def test_no_temperature_lets_an_impossible_token_come(temperature: float) -> None:
    sampling = Sampling(temperature=temperature)
    found = set(drawn(sampling, log_p(0.0, 0.5, 0.0, 0.25, 0.25), n=40))
    assert found == ({1} if temperature < 1 else {1, 3, 4})
    assert set(drawn(sampling, log_p(0.0, 1.0, 0.0), n=8)) == {1}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(-20, 0), min_size=2, max_size=9),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1e300),
    st.integers(0, 12),
    st.floats(0, 1, exclude_min=True),
    st.floats(1, 1000),
)
def test_a_token_that_may_not_come_never_does(
    logs: list[float], draw: float, temperature: float, top_k: int, top_p: float, penalty: float
) -> None:
    masked = torch.tensor([[float("-inf"), *logs, float("-inf")], [float("-inf")] * (len(logs) + 1) + [0.0]])
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=penalty)
    one, other = sampling.choose(masked, [[0, 1], [0, len(logs) + 1]], [draw, draw]).tolist()
    assert 1 <= one <= len(logs) and other == len(logs) + 1


def test_impossible_settings_are_all_named() -> None:
    with pytest.raises(UserError) as caught:
        Sampling(temperature=-1, top_k=-1, top_p=0, repetition_penalty=0.5)
    for part in ("temperature -1", "top-k -1", "top-p 0", "repetition penalty 0.5"):
        assert part in str(caught.value)
    for setting in ("temperature", "top_p", "repetition_penalty"):
        for value in (float("inf"), float("nan")):
            with pytest.raises(UserError):
                Sampling(**{setting: value})


@pytest.mark.parametrize("sampling", [None, Sampling(temperature=0.8, top_p=0.9, repetition_penalty=1.2)])
def test_the_device_is_read_once_a_token(
    reciting: LoadedModel, monkeypatch: pytest.MonkeyPatch, sampling: Sampling | None
) -> None:
    reads: list[int] = []
    monkeypatch.setattr(generation, "to_host", lambda *values: reads.append(1) or to_host(*values))
    words = vocabulary()
    out = generate(reciting, [prompt(words.s_marker, limit=6)] * 3, "speech", sampling)
    steps = max(len(each.tokens) + each.ended for each in out)
    assert len(reads) == min(steps, 6)
