"""The loss of DPO: its closed formula, and its gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from fairseq2.metrics import Mean, MetricBag

from lst_cli.inference.shared_prompt import Question
from lst_cli.model.loss import CHUNK, differentiable_token_loss, token_loss
from lst_cli.model_artifact.card import ModelCard
from lst_cli.patching.packed import IGNORE
from lst_cli.patching.strategies import PatchingConfig
from lst_cli.text.speech_codec import SpeechCodec
from lst_cli.training.metrics.metric_sums import PREFERENCES
from lst_cli.training.preference.pair_batch import PairBatch, ScoredPairs
from lst_cli.training.preference.preference_unit import add_preferences, dpo_loss
from tests.inference.models import latent_config, random_model, vocabulary


def test_the_loss_is_the_published_formula() -> None:
    log_p, reference = torch.tensor([[-3.0, -4.0], [-5.0, -2.0]]), torch.tensor([[-3.5, -3.0], [-5.0, -2.0]])
    found = dpo_loss(log_p, reference, beta=0.5)
    # Rafailov et al. 2023, equation 7: -log sigmoid(beta (log-ratio of chosen - log-ratio of rejected)).
    margin = 0.5 * ((-3.0 + 3.5) - (-4.0 + 3.0))
    assert found["preference_loss"][0].item() == pytest.approx(math.log(1 + math.exp(-margin)))
    assert found["preference_margin"][0].item() == pytest.approx(margin)
    assert found["chosen_reward"].tolist() == [0.25, 0] and found["rejected_reward"].tolist() == [-0.5, 0]
    # A pair as likely as under the reference: log 2, and half a preference.
    assert found["preference_loss"][1].item() == pytest.approx(math.log(2))
    assert found["preference_accuracy"].tolist() == [1, 0.5]


@pytest.mark.parametrize("tokens", [1, CHUNK, CHUNK + 3])
def test_a_differentiable_loss_equals_the_fused_one(tokens: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(tokens, 6, requires_grad=True), torch.randn(9, 6, requires_grad=True)
    targets = torch.randint(0, 9, (tokens,))
    targets[::3] = IGNORE
    fused, each = token_loss(x, weight, targets), differentiable_token_loss(x, weight, targets)
    torch.testing.assert_close(each.nll_T, fused.nll_T)
    torch.testing.assert_close(each.total, fused.total)
    assert torch.equal(each.correct_T, fused.correct_T)
    for one, other in zip(
        torch.autograd.grad(each.nll_T.sum(), (x, weight)), torch.autograd.grad(fused.total, (x, weight)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def scored_pairs(reference: list[list[float]]) -> ScoredPairs:
    words = vocabulary()
    start = words.speech_start
    prompt = np.array([words.s_marker, start, start + 1, start + 2], np.int32)
    endings = [((3, 4, 5), (6, 7)), ((1, 1), (2, 2, 2, 2, 2))]
    card = ModelCard(
        architecture=latent_config(),
        vocabulary=words,
        patching=PatchingConfig(strategy="static", size=4),
        quantizer={"reference": "quantizer/q", "fingerprint": "f"},
    )
    return ScoredPairs(
        questions=[
            Question(prompt_T=prompt, endings=tuple(start + np.array(each, np.int32) for each in pair))
            for pair in endings
        ],
        reference_P2=np.array(reference),
        card=card,
        speech=SpeechCodec(words, None),
    )


def step(reference: list[list[float]], beta: float) -> tuple[torch.nn.Module, torch.Tensor, dict[str, float]]:
    model, bag = random_model(latent_config()), MetricBag(device=torch.device("cpu"))
    for name in PREFERENCES:
        bag.add(name, Mean())
    batch = PairBatch(scored_pairs(reference), [0, 1], "cpu")
    batch.to(torch.device("cpu"))
    loss = add_preferences(model, batch, beta, bag)
    return model, loss, {name: float(bag.get(name, Mean).compute()) for name in PREFERENCES}


def log_probs(model: torch.nn.Module) -> torch.Tensor:
    """Of every continuation, one document at a time."""
    pairs = scored_pairs([[0, 0], [0, 0]])
    batch = PairBatch(pairs, [0, 1], "cpu")
    batch.to(torch.device("cpu"))
    nll_T = model(batch.tensors).nll_T
    return torch.stack([-nll_T[batch.document_T == document].sum() for document in range(4)]).view(2, 2)


def test_a_step_has_the_loss_and_the_gradient_of_the_formula() -> None:
    reference, beta = [[-9.0, -6.0], [-5.0, -14.0]], 0.3
    model, loss, metrics = step(reference, beta)
    log_p = log_probs(model).double()
    ratio = beta * (log_p - torch.tensor(reference, dtype=torch.float64))
    margins = ratio[:, 0] - ratio[:, 1]
    assert loss.item() == pytest.approx(float(torch.log1p(torch.exp(-margins)).sum()), rel=1e-5)
    assert metrics["preference_margin"] == pytest.approx(float(margins.mean()), rel=1e-4)
    assert metrics["preference_accuracy"] == float((margins > 0).double().mean())
    # The gradient by central differences, along the gradient itself.
    loss.backward()
    weight = model.embedding.weight
    direction = weight.grad / weight.grad.norm()
    values = []
    for sign in (1, -1):
        moved, _, _ = step(reference, beta)
        with torch.no_grad():
            moved.embedding.weight += sign * 1e-2 * direction
        moved_ratio = beta * (log_probs(moved).double() - torch.tensor(reference, dtype=torch.float64))
        values.append(float(torch.log1p(torch.exp(moved_ratio[:, 1] - moved_ratio[:, 0])).sum()))
    assert (values[0] - values[1]) / 2e-2 == pytest.approx(float(weight.grad.norm()), rel=1e-2)


def test_a_step_down_the_gradient_prefers_the_chosen_more() -> None:
    reference = log_probs(random_model(latent_config())).tolist()
    model, loss, metrics = step(reference, 0.1)
    assert loss.item() == pytest.approx(2 * math.log(2), rel=1e-4) and metrics["reference_drift"] < 1e-5
    before = log_probs(model)
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.05 * parameter.grad
    after = log_probs(model)
    assert ((after - before)[:, 0] > (after - before)[:, 1]).all()
