"""The train unit: what one step does with one batch. The trainer is fairseq2's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping

import fairseq2.recipe  # noqa: F401 -- fairseq2.trainer can't be imported before it
import torch
from fairseq2.gang import Gangs
from fairseq2.metrics import Mean, MetricBag
from fairseq2.trainer import TrainUnit
from torch import Tensor, nn

from lst_cli.model.loss import TokenLoss
from lst_cli.patching.packed import IGNORE
from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
from lst_cli.training.engine.stopping import StopRequest
from lst_cli.training.engine.train_batch import TrainBatch
from lst_cli.training.metrics.metric_sums import TOTAL, WINDOW, Tally, figures, named, sums_by_modality


class SpeechTextUnit(TrainUnit[TrainBatch]):
    """Next-token loss over a packed batch, with sums by modality."""

    def __init__(
        self,
        model: nn.Module,
        gangs: Gangs,
        last_step: int,
        stop: StopRequest,
        guard: NonfiniteGuard,
        scheduled: Callable[[int], Mapping[str, float]],
    ) -> None:
        """Train ``model`` (as wrapped for data parallelism) up to ``last_step``.

        :param scheduled: scheduled values of a step.
        """
        self._model = model
        self._gangs = gangs
        self._last_step = last_step
        self._stop = stop
        self._guard = guard
        self._scheduled = scheduled
        self.end_training: Callable[[], None] = lambda: None
        """Called in the step after which training ends; the trainer's ``request_stop``."""

    def prepare_metric_bag(self, metric_bag: MetricBag) -> None:
        """Add our sums to the trainer's metrics."""
        metric_bag.add(WINDOW, Tally())
        metric_bag.add(TOTAL, Tally())

    def set_step_nr(self, step_nr: int) -> None:
        """Note the step (counted from 1), and whether it is the last one."""
        self._guard.step = step_nr
        if step_nr >= self._last_step or self._stop.agreed(step_nr, self._gangs.root):
            self.end_training()

    def process_batch(self, batch: TrainBatch, metric_bag: MetricBag) -> tuple[Tensor, int | None]:
        """Return the sum of the loss over all targets, and their number."""
        self._guard.saw(batch, metric_bag.get("grad_norm", Mean))
        total = add_loss(self._model, batch, metric_bag.get(WINDOW, Tally), metric_bag.get(TOTAL, Tally))
        return total, batch.targets

    def process_metric_values(self, values: MutableMapping[str, object]) -> None:
        """Turn the sums into figures."""
        window, total = values.pop(WINDOW), values.pop(TOTAL)
        assert isinstance(window, Tensor) and isinstance(total, Tensor)
        steps, so_far = named(window), named(total)
        norm = values["grad_norm"]
        assert isinstance(norm, Tensor)
        self._guard.check(float(norm))
        values.update({**figures(steps), **self._scheduled(self._guard.step)})
        values.update({name: so_far[name] for name in ("tokens", "positions", "speech_tokens", "flops")})
        values.update({f"window_{name}": steps[name] for name in ("tokens", "positions", "flops")})


def add_loss(model: nn.Module, batch: TrainBatch, *tallies: Tally) -> Tensor:
    """Sum of the loss over all targets; its counts go to the metrics."""
    loss: TokenLoss = model(batch.tensors)
    add_sums(loss, batch, *tallies)
    return loss.total


def add_sums(loss: TokenLoss, batch: TrainBatch, *tallies: Tally) -> None:
    """Add the loss of each target by modality, and the counts of the batch."""
    tensors = batch.tensors
    sums = sums_by_modality(loss.nll_T, loss.correct_T, tensors.targets_T != IGNORE, tensors.modality_T)
    sums = torch.cat((sums, batch.counts.to(sums.device, non_blocking=True)))
    for tally in tallies:
        tally.update(sums)
