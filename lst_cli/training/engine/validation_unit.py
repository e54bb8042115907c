"""Loss on held-out data, with the same metrics as training, and error rates on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from itertools import islice
from typing import Any

import fairseq2.recipe  # noqa: F401 -- fairseq2.evaluator can't be imported before it
from fairseq2.datasets import DataReader
from fairseq2.evaluator import EvalUnit
from fairseq2.gang import Gang
from fairseq2.metrics import Mean, MetricBag, format_as_float
from fairseq2.metrics.recorders import MetricDescriptor
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from typing_extensions import Self

from lst_cli.evaluation.asr_in_training import TranscriptScorer
from lst_cli.training.engine.stopping import StopRequest
from lst_cli.training.engine.train_batch import TrainBatch
from lst_cli.training.engine.train_unit import add_loss
from lst_cli.training.metrics.metric_sums import ERROR_RATES, WINDOW, Tally, figures, named

CER = MetricDescriptor("cer", "Character Error Rate (CER)", 200, format_as_float)
"""fairseq2 knows ``loss`` and ``wer``."""


class ValidationUnit(EvalUnit[TrainBatch]):
    """Next-token loss over held-out data, and error rates if transcripts are requested."""

    def __init__(self, model: nn.Module, name: str | None = None, transcripts: TranscriptScorer | None = None) -> None:
        """Validate ``model`` (as wrapped for data parallelism)."""
        self._model = model
        self._name = name
        self._transcripts = transcripts

    def prepare_metric_bag(self, metric_bag: MetricBag) -> None:
        """Add our sums."""
        metric_bag.add(WINDOW, Tally())
        if self._transcripts is not None:
            for name in ERROR_RATES:
                metric_bag.add(name, Mean())

    def process_batch(self, batch: TrainBatch, metric_bag: MetricBag) -> None:
        """Add the loss and the errors of a batch."""
        add_loss(self._model, batch, metric_bag.get(WINDOW, Tally))
        if self._transcripts is not None:
            for name, rate in self._transcripts(_unwrapped(self._model), batch.packed).items():
                metric_bag.get(name, Mean).update(rate.value, weight=rate.length)

    def process_metric_values(self, values: MutableMapping[str, object]) -> None:
        """Turn the sums into figures."""
        window = values.pop(WINDOW)
        assert isinstance(window, Tensor)
        values.update(figures(named(window)))

    @property
    def name(self) -> str | None:
        """The name of the data; None if there is only one set."""
        return self._name


def _unwrapped(model: nn.Module) -> nn.Module:
    return model.module if isinstance(model, DistributedDataParallel) else model


class OnceReader(DataReader[TrainBatch]):
    """All batches of a validation set once, the same number of iterations in every process."""

    def __init__(
        self,
        read: Callable[[], Iterator[Any]],
        make: Callable[[Any], TrainBatch],
        *,
        most: int | None,
        gang: Gang,
        stop: StopRequest,
    ) -> None:
        """Read for one process.

        :param read: yields what ``make`` makes batches of, for all batches from the first.
        :param most: batches to read at most, over all processes.
        :param stop: cuts off the validation when a stop is requested.
        """
        self._read = read
        self._make = make
        self._most = most
        self._gang = gang
        self._stop = stop
        self._batches = self._start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[TrainBatch]:
        """The batch of this process, from the next group of one batch per process; possibly none in the last group.

        :raises ValidationCutOff: the run has to stop.
        """
        self._stop.check(self._gang)
        group = list(islice(self._batches, self._gang.size))
        if not group:
            raise StopIteration
        return [self._make(each) for rank, each in enumerate(group) if rank == self._gang.rank]

    def _start(self) -> Iterator[Any]:
        return islice(self._read(), self._most)

    def reset(self) -> None:
        """Go back to the first batch."""
        self._batches = self._start()

    def state_dict(self) -> dict[str, object]:
        """Nothing: every validation starts anew."""
        return {}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Nothing."""

    @property
    def num_accumulate(self) -> int:
        """Batches of an iteration."""
        return 1
