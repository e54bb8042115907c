"""Likelihoods against a model whose probabilities are known, and against one document at a time."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from lst_cli.artifacts import Store
from lst_cli.inference import likelihood
from lst_cli.inference.likelihood import log_probabilities
from lst_cli.inference.shared_prompt import Question
from lst_cli.model.batch import make_batch
from lst_cli.model.model_config import LocalConfig, ModelConfig
from lst_cli.model_artifact.card import LoadedModel, load_model
from lst_cli.patching.packed import Document, pack_documents
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


def random_questions(count: int, seed: int = 0) -> list[Question]:
    """Questions in all directions, of many lengths; every third ending is one token long."""
    rng = np.random.default_rng(seed)
    words = vocabulary()

    def span(speech: bool, length: int) -> list[int]:
        low, high = (words.speech_start, words.size) if speech else (3, words.pieces)
        return [int(token) for token in rng.integers(low, high, length)]

    questions = []
    for number in range(count):
        before, after = bool(rng.integers(2)), bool(rng.integers(2))
        prompt = [words.s_marker if before else words.t_marker, *span(before, int(rng.integers(0, 23)))]
        if after != before:
            prompt.append(words.s_marker if after else words.t_marker)
        endings = [span(after, 1 if number % 3 == 0 else int(rng.integers(1, 15))) for _ in range(2 + number % 3)]
        questions.append(
            Question(
                prompt_T=np.array(prompt, np.int32), endings=tuple(np.array(ending, np.int32) for ending in endings)
            )
        )
    return questions


def alone(loaded: LoadedModel, prompt: np.ndarray, ending: np.ndarray) -> float:
    """One ending by one plain forward pass."""
    card = loaded.card
    document = Document(tokens=np.concatenate([prompt, ending]), loss_from=len(prompt))
    packed = pack_documents([document], card.vocabulary, card.patcher, card.cut)
    batch = make_batch(packed, card.architecture, card.vocabulary, loaded.device)
    with torch.no_grad():
        return float(loaded.model.log_probability(batch).double().sum())


def test_the_bigram_model_gives_its_own_probabilities(tmp_path: Path) -> None:
    size = vocabulary().size
    log_p = np.log(np.random.default_rng(0).dirichlet(np.ones(size), size)).astype(np.float32)
    loaded = load_model(model_artifact(Store(tmp_path), "bigram", *bigram(log_p)))
    questions = random_questions(9)
    scores = dict(log_probabilities(loaded, questions))
    for index, question in enumerate(questions):
        for ending, score in zip(question.endings, scores[index], strict=True):
            chain = [question.prompt_T[-1], *ending]
            expected = sum(log_p[a, b] for a, b in itertools.pairwise(chain))
            assert score == pytest.approx(expected, abs=1e-4)


NO_LAYERS = ModelConfig(
    family="lst",
    layers=2,
    dim=32,
    heads=2,
    local=LocalConfig(dim=32, heads=2, encoder_layers=0, decoder_layers=0),
)
CASES = {
    "baseline": (baseline_config(), PatchingConfig(strategy="none")),
    "static": (latent_config(), PatchingConfig(size=4)),
    "given": (latent_config(), PatchingConfig(size=4, boundaries="given")),
    "own-patch": (latent_config(cross_window=1), PatchingConfig(size=3)),
    "small-windows": (latent_config(cross_window=2, window=7), PatchingConfig(size=5)),
    "size-1": (latent_config(), PatchingConfig(size=1)),
    "random": (latent_config(), PatchingConfig(strategy="random", size=3)),
    **{name: (latent_config(), PatchingConfig(strategy=name)) for name in FITTED},  # type: ignore[arg-type]
    "no-layers": (NO_LAYERS, PatchingConfig(size=4)),
    "bypass": (latent_config(text="bypass"), PatchingConfig(size=4)),
    "bypass-small-windows": (latent_config(cross_window=2, window=7, text="bypass"), PatchingConfig(size=3)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("budget", [1, 100, 100_000])
def test_shared_prompts_score_as_one_ending_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, budget: int
) -> None:
    monkeypatch.setitem(likelihood.TOKENS_PER_BATCH, "cpu", budget)
    config, patching = CASES[case]
    loaded = load_model(model_artifact(Store(tmp_path), "m", config, random_model(config), patching))
    questions = random_questions(14)
    scores = dict(log_probabilities(loaded, questions))
    assert sorted(scores) == list(range(len(questions)))
    for index, question in enumerate(questions):
        expected = [alone(loaded, question.prompt_T, ending) for ending in question.endings]
        assert scores[index] == pytest.approx(expected, abs=1e-4)


def test_the_prompt_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One prompt of 101 tokens with four endings of ten: far fewer than 444 tokens go through the model."""
    config = latent_config()
    loaded = load_model(model_artifact(Store(tmp_path), "m", config, random_model(config)))
    words = vocabulary()
    speech = np.arange(100, dtype=np.int32) % UNITS + words.speech_start
    prompt = np.append(np.int32(words.s_marker), speech).astype(np.int32)
    question = Question(prompt_T=prompt, endings=(speech[:10],) * 4)
    seen: list[int] = []
    embedding = loaded.model.embedding
    embedding.register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
    list(log_probabilities(loaded, [question]))
    # The last patch of the prompt is whole: its four tokens are read again for each ending.
    assert seen == [97, 4 * 14]
