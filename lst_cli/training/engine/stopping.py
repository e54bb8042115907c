"""Stopping a run cleanly on a signal, as Slurm sends before it reclaims a machine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import fairseq2.recipe  # noqa: F401 -- fairseq2.trainer can't be imported before it
from fairseq2.gang import Gang, all_sum
from fairseq2.task import Task
from fairseq2.trainer import Trainer

from lst_cli.console import say
from lst_cli.training.engine.step_reader import StepReader

if TYPE_CHECKING:
    from fairseq2.datasets import DataReader

    from lst_cli.training.engine.train_batch import TrainBatch


class ValidationCutOff(Exception):
    """A stop was requested during a validation; raised in all processes at once."""


class StopRequest:
    """Remembers that a signal requested a stop, and lets all processes agree on the step to stop after."""

    def __init__(self, every: int) -> None:
        """Allow stops at multiples of ``every`` steps, so that no logging interval is split."""
        self.every = every
        self.in_validation = False
        """Whether a validation was interrupted; it is re-run on resume."""
        self._signal: str | None = None

    def ask(self, name: str) -> None:
        """Request a stop at the next allowed step."""
        if self._signal is None:
            self._signal = name
            say(
                f"{name} received: a checkpoint will be saved at the next multiple of {self.every} steps; "
                "a running validation is interrupted, and re-run on resume"
            )

    def agreed(self, step: int, gang: Gang) -> bool:
        """Whether all processes stop after this step; they communicate at allowed steps only."""
        return step % self.every == 0 and self._asked_in_any(gang)

    def check(self, gang: Gang) -> None:
        """Cut a validation off if a stop was requested; all processes call this before each of their batches.

        :raises ValidationCutOff: a stop was requested in any process.
        """
        if self._asked_in_any(gang):
            self.in_validation = True
            raise ValidationCutOff

    def _asked_in_any(self, gang: Gang) -> bool:
        asked = self._signal is not None
        return bool(all_sum(gang, int(asked)).item()) if gang.size > 1 else asked


class StoppableTask(Task):
    """fairseq2's trainer, which SIGTERM stops as well as SIGUSR1, at the same step in every process."""

    def __init__(self, trainer: Trainer, stop: StopRequest, reader: DataReader[TrainBatch]) -> None:
        self._trainer = trainer
        self._stop = stop
        self._reader = reader

    def run(self) -> None:
        """Train until the last step or a stop."""
        try:
            with _on_signal(signal.SIGTERM, self._stop):
                self._trainer.run()
        finally:
            if isinstance(self._reader, StepReader):
                self._reader.close()

    def request_stop(self) -> None:
        """fairseq2 calls this on SIGUSR1."""
        self._stop.ask("SIGUSR1")

    def close(self) -> None:
        """Close the metric files."""
        self._trainer.close()

    @property
    def step_nr(self) -> int:
        """The last step that was run."""
        return self._trainer.step_nr


class NothingLeft(Task):
    """A run that has done its last step already."""

    def __init__(self, step: int) -> None:
        self._step = step

    def run(self) -> None:
        """Do nothing."""

    def request_stop(self) -> None:
        """There is nothing to stop."""

    def close(self) -> None:
        """There is nothing to close."""

    @property
    def step_nr(self) -> int:
        """The last step."""
        return self._step


@contextmanager
def _on_signal(number: signal.Signals, stop: StopRequest) -> Iterator[None]:
    def handle(received: int, frame: FrameType | None) -> None:
        stop.ask(number.name)

    before = signal.signal(number, handle)
    try:
        yield
    finally:
        signal.signal(number, before)
