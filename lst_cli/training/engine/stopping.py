"""Stopping a run cleanly when the system asks for it, as Slurm does before it takes a machine back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import fairseq2.recipe  # noqa: F401 -- fairseq2.trainer can't be imported before it
from fairseq2.gang import Gang, all_sum
from fairseq2.task import Task
from fairseq2.trainer import Trainer, _TrainerState
from fairseq2.validator import NOOP_VALIDATOR, Validator

from lst_cli.console import say


class ValidationCutOff(Exception):
    """A stop was asked for during a validation; raised in all processes at once."""


class StopRequest:
    """Remembers that a signal asked for a stop, and lets all processes agree on where they stop."""

    def __init__(self, every: int) -> None:
        """Allow stops at multiples of ``every`` steps, so that no window of the log is cut in two."""
        self.every = every
        self.in_validation = False
        """Whether a validation was cut off; the run is to make up for it when it goes on."""
        self._signal: str | None = None

    def ask(self, name: str) -> None:
        """Ask for a stop at the next allowed step."""
        if self._signal is None:
            self._signal = name
            say(
                f"{name} received: a checkpoint will be saved at the next multiple of {self.every} steps; "
                "a validation is cut off, and made up for when the run goes on"
            )

    def agreed(self, step: int, gang: Gang) -> bool:
        """Whether all processes stop after this step; asks them at allowed steps only."""
        return step % self.every == 0 and self._asked_in_any(gang)

    def check(self, gang: Gang) -> None:
        """Cut a validation off when a stop was asked for; all processes do this before each of their batches.

        :raises ValidationCutOff: any process was asked to stop.
        """
        if self._asked_in_any(gang):
            self.in_validation = True
            raise ValidationCutOff

    def _asked_in_any(self, gang: Gang) -> bool:
        asked = self._signal is not None
        return bool(all_sum(gang, int(asked)).item()) if gang.size > 1 else asked


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


def stop_in_validations(trainer: Trainer, stop: StopRequest) -> None:
    """Have a trainer end its run when a validation is cut off, instead of training on."""
    # fairseq2's trainer (0.8) runs a validation to its end, and its recipes have no door to the validator.
    if trainer._validator is NOOP_VALIDATOR:
        return
    trainer._validator = _CuttableValidator(trainer._validator)
    post_step = trainer._run_post_step

    def run_post_step() -> _TrainerState:
        state = post_step()
        # As after early stopping: what is not saved of this step is, and no line of the curve is written again.
        return _TrainerState.EARLY_STOP if stop.in_validation else state

    trainer._run_post_step = run_post_step  # type: ignore[method-assign]


class _CuttableValidator(Validator):
    """Gives no score when it is cut off."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator

    def run(self, train_step_nr: int) -> float | None:
        with suppress(ValidationCutOff):
            return self._validator.run(train_step_nr)
        return None

    def reset(self) -> None:
        self._validator.reset()


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
