"""Stopping a run cleanly when the system asks for it, as Slurm does before it takes a machine back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import fairseq2.recipe  # noqa: F401 -- fairseq2.trainer can't be imported before it
from fairseq2.gang import Gang, all_sum
from fairseq2.task import Task
from fairseq2.trainer import Trainer

from lst_cli.console import say


class StopRequest:
    """Remembers that a signal asked for a stop, and lets all processes agree on the step at which they stop."""

    def __init__(self, every: int) -> None:
        """Allow stops at multiples of ``every`` steps, so that no window of the log is cut in two."""
        self.every = every
        self.granted_at: int | None = None
        """The step after which all processes have agreed to stop."""
        self._signal: str | None = None

    def ask(self, name: str) -> None:
        """Ask for a stop at the next allowed step."""
        if self._signal is None:
            self._signal = name
            say(f"{name} received: a checkpoint will be saved at the next multiple of {self.every} steps")

    def agreed(self, step: int, gang: Gang) -> bool:
        """Whether all processes stop after this step; asks them at allowed steps only."""
        if step % self.every:
            return False
        asked = self._signal is not None
        if bool(all_sum(gang, int(asked)).item()) if gang.size > 1 else asked:
            self.granted_at = step
        return self.granted_at is not None


    def between(self, every: int) -> bool:
        """Whether the run stops at a step that is no multiple of ``every``, where it has no time to validate."""
        return self.granted_at is not None and bool(self.granted_at % every)


class StoppableTask(Task):
    """fairseq2's trainer, stopped by SIGTERM as well as SIGUSR1, and at the same step in every process."""

    def __init__(self, trainer: Trainer, stop: StopRequest) -> None:
        self._trainer = trainer
        self._stop = stop

    def run(self) -> None:
        """Train until the last step or a stop."""
        with _on_signal(signal.SIGTERM, self._stop):
            self._trainer.run()

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
    """A run whose last step is done already."""

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
