"""Everything that lst changes inside fairseq2's trainer (0.8), where its recipes offer no hook.

Each function replaces private attributes of one trainer object, and says which and why. The attributes are checked
first, so that another version of fairseq2 fails here, at the start of a run, and not in its middle.
"""

from __future__ import annotations

from contextlib import suppress

import fairseq2.recipe  # noqa: F401 -- fairseq2.trainer can't be imported before it
from fairseq2.early_stopper import EarlyStopper
from fairseq2.trainer import Trainer, _TrainerState
from fairseq2.validator import NOOP_VALIDATOR, Validator

from lst_cli.errors import LstError
from lst_cli.training.engine.stopping import StopRequest, ValidationCutOff


def stop_in_validations(trainer: Trainer, stop: StopRequest) -> None:
    """End the run when a stop request cuts off a validation.

    Replaces ``_validator`` and ``_run_post_step``: the trainer would finish the validation first, which can take longer
    than a scheduler grants.
    """
    _check(trainer, "_validator", "_run_post_step")
    if trainer._validator is NOOP_VALIDATOR:
        return
    trainer._validator = _CuttableValidator(trainer._validator)
    post_step = trainer._run_post_step

    def run_post_step() -> _TrainerState:
        state = post_step()
        # In this state the trainer saves the unsaved parts of the step, and logs nothing twice.
        return _TrainerState.EARLY_STOP if stop.in_validation else state

    trainer._run_post_step = run_post_step  # type: ignore[method-assign]


def validate_first(trainer: Trainer, stop: StopRequest, *, done: bool) -> None:
    """Validate once the checkpoint is restored, before any training step.

    Replaces ``_maybe_restore_state``: the trainer can validate before the first step of a new run only, not of a
    resumed one.

    :param stop: may also interrupt this validation.
    :param done: all training steps are done; only the validation was missing.
    """
    _check(trainer, "_maybe_restore_state", "_state", "_validate", "_maybe_request_early_stop", "_stop_requested")
    restore = trainer._maybe_restore_state

    def restored() -> _TrainerState:
        state = restore()
        trainer._state = _TrainerState.STOP_REQUESTED  # in which the trainer saves the score
        score = trainer._validate()
        if score is not None and trainer._maybe_request_early_stop(score):
            return _TrainerState.EARLY_STOP
        if done or stop.in_validation:
            trainer._stop_requested = True
            return _TrainerState.STOPPED
        return state

    trainer._maybe_restore_state = restored  # type: ignore[method-assign]


def stop_early(trainer: Trainer, stopper: EarlyStopper) -> None:
    """Let ``stopper`` end the run after a validation.

    Replaces ``_early_stopper``: the trainer supports early stopping, but its recipes can't set it.
    """
    _check(trainer, "_early_stopper")
    trainer._early_stopper = stopper


class _CuttableValidator(Validator):
    """Returns no score if it is interrupted."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator

    def run(self, train_step_nr: int) -> float | None:
        with suppress(ValidationCutOff):
            return self._validator.run(train_step_nr)
        return None

    def reset(self) -> None:
        self._validator.reset()


def _check(trainer: Trainer, *names: str) -> None:
    missing = [name for name in names if not hasattr(trainer, name)]
    if missing:
        raise LstError(
            f"this fairseq2's trainer has no {', '.join(missing)}",
            expected="fairseq2 0.8, whose trainer lst patches",
            fix="install the version of fairseq2 that lst requires",
        )
