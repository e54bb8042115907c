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

from lst_cli.evaluation.stories_in_training import ACCURACY, StoryScorer
from lst_cli.training.engine.stopping import StopRequest

AT_ONCE = 16
"""Stories that a process scores at once; a requested stop waits for no more than these."""

STORY_ACCURACY = MetricDescriptor(ACCURACY, "Story Accuracy", 210, format_as_float, higher_better=True)


class StoryBatch(SupportsDeviceTransfer):
    """The stories that one process scores at once."""

    def __init__(self, items: range) -> None:
        self.items = items

    def to(self, device: Device, *, non_blocking: bool = False) -> None:
        """Nothing: the scorer makes its own tensors."""


class StoryUnit(EvalUnit[StoryBatch]):
    """Story completion accuracy of a model in training."""

    def __init__(self, model: nn.Module, source: str, scorer: StoryScorer) -> None:
        """Score with ``model`` (as wrapped for data parallelism); records of the metrics log name the ``source``."""
        self._model = model
        self._source = source
        self._scorer = scorer

    def prepare_metric_bag(self, metric_bag: MetricBag) -> None:
        """Add the accuracy."""
        metric_bag.add(ACCURACY, Mean())

    def process_batch(self, batch: StoryBatch, metric_bag: MetricBag) -> None:
        """Score this process's stories."""
        model = self._model
        # fairseq2 gathers the shards of FSDP for validation, so every process scores with the whole model.
        whole = model.module if isinstance(model, DistributedDataParallel) else model
        # Disable autocast: accuracies must match `lst eval`.
        with torch.autocast(next(model.parameters()).device.type, enabled=False):
            credits = self._scorer(whole, batch.items)
        if credits:
            metric_bag.get(ACCURACY, Mean).update(sum(credits) / len(credits), weight=len(credits))

    def process_metric_values(self, values: MutableMapping[str, object]) -> None:
        """Add the number of stories."""
        values["stories"] = self._scorer.items

    @property
    def name(self) -> str:
        """The task and its direction."""
        return self._source


class StoryReader(DataReader[StoryBatch]):
    """All stories once at each validation, divided among the processes."""

    def __init__(self, items: int, *, gang: Gang, stop: StopRequest) -> None:
        """Divide the stories.

        :param items: number of stories.
        :param stop: cuts off the validation when a stop is requested.
        """
        self._items = items
        self._gang = gang
        self._stop = stop
        self._given = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[StoryBatch]:
        """The next stories of this process; possibly none at the end, so that all processes end together.

        :raises ValidationCutOff: the run has to stop.
        """
        self._stop.check(self._gang)
        if self._given >= self._items:
            raise StopIteration
        first, self._given = self._given, self._given + AT_ONCE * self._gang.size
        return [StoryBatch(range(first + self._gang.rank, min(self._given, self._items), self._gang.size))]

    def reset(self) -> None:
        """Begin the next validation."""
        self._given = 0

    def state_dict(self) -> dict[str, object]:
        """Nothing: every validation starts anew."""
        return {}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Nothing."""

    @property
    def num_accumulate(self) -> int:
        """Batches of an iteration."""
        return 1
