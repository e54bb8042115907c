"""Scoring stories inside of fairseq2's validator."""

from __future__ import annotations

from collections.abc import MutableMapping

import fairseq2.recipe  # noqa: F401 -- fairseq2.evaluator can't be imported before it
import torch
from fairseq2.datasets import DataReader
from fairseq2.device import Device, SupportsDeviceTransfer
from fairseq2.evaluator import EvalUnit
from fairseq2.gang import Gang
from fairseq2.metrics import Mean, MetricBag, format_as_float
from fairseq2.metrics.recorders import MetricDescriptor
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from typing_extensions import Self

from lst_cli.training.stopping import StopRequest
from lst_cli.training.stories import ACCURACY, Scorer

STORY_ACCURACY = MetricDescriptor(ACCURACY, "Story Accuracy", 210, format_as_float, higher_better=True)


class Share(SupportsDeviceTransfer):
    """The stories that one process scores."""

    def __init__(self, items: range) -> None:
        self.items = items

    def to(self, device: Device, *, non_blocking: bool = False) -> None:
        """Nothing: the scorer makes its own tensors."""


class StoryUnit(EvalUnit[Share]):
    """The share of stories that a model in training ends rightly."""

    def __init__(self, model: nn.Module, source: str, scorer: Scorer) -> None:
        """Score with ``model`` (as wrapped for data parallelism); the curve's line names the ``source``."""
        self._model = model
        self._source = source
        self._scorer = scorer

    def prepare_metric_bag(self, metric_bag: MetricBag) -> None:
        """Add the accuracy."""
        metric_bag.add(ACCURACY, Mean())

    def process_batch(self, batch: Share, metric_bag: MetricBag) -> None:
        """Score this process's stories."""
        model = self._model
        # fairseq2 gathers the shards of FSDP for validation, so every process scores by itself with the whole model.
        whole = model.module if isinstance(model, DistributedDataParallel) else model
        # As in scoring: what autocast makes of the loss is no matter of stories.
        with torch.autocast(next(model.parameters()).device.type, enabled=False):
            credits = self._scorer(whole, batch.items)
        if credits:
            metric_bag.get(ACCURACY, Mean).update(sum(credits) / len(credits), weight=len(credits))

    def process_metric_values(self, values: MutableMapping[str, object]) -> None:
        """Say how many stories it was."""
        values["stories"] = self._scorer.items

    @property
    def name(self) -> str:
        """The task and its direction."""
        return self._source


class StoryReader(DataReader[Share]):
    """All stories once at each validation: a share for each process."""

    def __init__(self, items: int, *, every: int, gang: Gang, stop: StopRequest) -> None:
        """Deal out stories.

        :param items: number of stories.
        :param every: steps between two validations.
        :param stop: when the run has to stop between two validations, there is no time for another one.
        """
        self._share = Share(range(gang.rank, items, gang.size))
        self._every = every
        self._stop = stop
        self._given = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[Share]:
        """The stories of this process, once."""
        if self._given or self._stop.between(self._every):
            raise StopIteration
        self._given = True
        return [self._share]

    def reset(self) -> None:
        """Begin the next validation."""
        self._given = False

    def state_dict(self) -> dict[str, object]:
        """Nothing: every validation starts anew."""
        return {}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Nothing."""

    @property
    def num_accumulate(self) -> int:
        """Batches of an iteration."""
        return 1
