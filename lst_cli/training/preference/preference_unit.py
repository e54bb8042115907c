"""Direct preference optimisation (Rafailov et al. 2023, equation 7): the loss, and the units that train and validate.

Legend: T tokens, D documents, P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import fairseq2.recipe  # noqa: F401 -- fairseq2.trainer can't be imported before it
import torch
from fairseq2.metrics import Mean, MetricBag
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from lst_cli.model.loss import TokenLoss
from lst_cli.patching.packed import IGNORE
from lst_cli.training.engine.train_unit import SpeechTextUnit, add_sums
from lst_cli.training.engine.validation_unit import ValidationUnit
from lst_cli.training.metrics.metric_sums import PREFERENCES, TOTAL, WINDOW, Tally
from lst_cli.training.preference.pair_batch import PairBatch


def dpo_loss(log_p_P2: Tensor, reference_P2: Tensor, beta: float) -> dict[str, Tensor]:
    """The loss of each pair, and what describes it, by the names of :data:`PREFERENCES`.

    :param log_p_P2: log-probabilities of chosen and rejected under the model in training; ``reference_P2`` under the
        reference.
    :param beta: strength of the tie to the reference.
    """
    reward_P2 = beta * (log_p_P2 - reference_P2)
    margin_P = reward_P2[:, 0] - reward_P2[:, 1]
    return {
        "preference_loss": -logsigmoid(margin_P),
        "preference_accuracy": (margin_P > 0).to(margin_P.dtype) + 0.5 * (margin_P == 0).to(margin_P.dtype),
        "preference_margin": margin_P,
        "chosen_reward": reward_P2[:, 0],
        "rejected_reward": reward_P2[:, 1],
    }


def add_preferences(model: nn.Module, batch: PairBatch, beta: float, bag: MetricBag, *tallies: Tally) -> Tensor:
    """Sum of the loss over all pairs of a batch; its counts go to the metrics."""
    loss: TokenLoss = model(batch.tensors, differentiable=True)
    add_sums(loss, batch, *tallies)
    nll_D = torch.zeros_like(batch.reference_D).index_add(0, batch.document_T, loss.nll_T.to(batch.reference_D.dtype))
    found = dpo_loss(-nll_D.view(-1, 2), batch.reference_D.view(-1, 2), beta)
    with torch.no_grad():
        targets_D = torch.zeros_like(nll_D).index_add(
            0, batch.document_T, (batch.tensors.targets_T != IGNORE).to(nll_D.dtype)
        )
        drift_D = (-nll_D - batch.reference_D).abs() / targets_D
        for name, values in {**found, "reference_drift": drift_D}.items():
            bag.get(name, Mean).update(values.detach().mean(), weight=batch.pairs)
    return found["preference_loss"].sum()


def _prepare(bag: MetricBag) -> None:
    for name in PREFERENCES:
        bag.add(name, Mean())


class PreferenceUnit(SpeechTextUnit):
    """A step of DPO."""

    def __init__(self, *arguments: Any, beta: float) -> None:
        """Train with this strength of the tie to the reference; the arguments are those of :class:`SpeechTextUnit`."""
        super().__init__(*arguments)
        self._beta = beta

    def prepare_metric_bag(self, metric_bag: MetricBag) -> None:
        """Add our sums to the trainer's metrics."""
        super().prepare_metric_bag(metric_bag)
        _prepare(metric_bag)

    def process_batch(self, batch: Any, metric_bag: MetricBag) -> tuple[Tensor, int | None]:
        """Return the sum of the loss over all pairs, and their number."""
        self._guard.saw(batch, metric_bag.get("grad_norm", Mean))
        tallies = (metric_bag.get(WINDOW, Tally), metric_bag.get(TOTAL, Tally))
        return add_preferences(self._model, batch, self._beta, metric_bag, *tallies), batch.pairs

    def process_metric_values(self, values: MutableMapping[str, object]) -> None:
        """Turn the sums into figures; ``loss`` is that of the pairs."""
        super().process_metric_values(values)
        values.update(_with_loss(values))


class PreferenceValidationUnit(ValidationUnit):
    """The same figures over held-out pairs."""

    def __init__(self, model: nn.Module, name: str | None, transcripts: None, *, beta: float) -> None:
        super().__init__(model, name)
        self._beta = beta

    def prepare_metric_bag(self, metric_bag: MetricBag) -> None:
        """Add our sums."""
        super().prepare_metric_bag(metric_bag)
        _prepare(metric_bag)

    def process_batch(self, batch: Any, metric_bag: MetricBag) -> None:
        """Add the figures of a batch."""
        add_preferences(self._model, batch, self._beta, metric_bag, metric_bag.get(WINDOW, Tally))

    def process_metric_values(self, values: MutableMapping[str, object]) -> None:
        """Turn the sums into figures."""
        super().process_metric_values(values)
        values.update(_with_loss(values))


def _with_loss(values: Mapping[str, object]) -> dict[str, object]:
    loss = values["preference_loss"]
    assert isinstance(loss, Tensor)
    return {"loss": float(loss)}
