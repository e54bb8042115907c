"""A validation that a crash or a stop cut off is made up for, so that the curve is that of an undisturbed run."""

from __future__ import annotations

from collections.abc import Sequence

import fairseq2.recipe  # noqa: F401 -- fairseq2.trainer can't be imported before it
from fairseq2.gang import Gangs, all_sum
from fairseq2.trainer import Trainer, _TrainerState

from lst_cli.training.engine.job import Job
from lst_cli.training.engine.stopping import StopRequest
from lst_cli.training.metrics.metrics_log import read_curve, write_curve
from lst_cli.training.run.checkpoints import score_file


def cut_off(job: Job, last: int, gangs: Gangs, stop: StopRequest) -> bool:
    """Whether the validation after the checkpoint that a run goes on from is not all in the curve, or has no score.

    fairseq2 may finish a checkpoint in the middle of the validation after it, and writes the score by which the best
    checkpoint is chosen after the curve. What the curve has of such a validation is dropped.
    """
    told = job.validation
    if told is None or not last or (last % told.every and last != job.steps):
        return False
    missing = gangs.root.rank == 0 and not _whole(job, [*told.make_readers(gangs, stop), *told.stories], last)
    return bool(all_sum(gangs.root, int(missing)).item())  # the first process alone knows the curve


def _whole(job: Job, sources: Sequence[str], step: int) -> bool:
    lines = read_curve(job.curve)
    kept = [line for line in lines if line["split"] == "train" or line["step"] != step]
    told = {line.get("source", "") for line in lines if line not in kept} == set(sources)
    score = score_file(job.checkpoints, step)
    if told and (not job.keeps_best or (score.is_file() and score.read_text().strip())):
        return True
    score.unlink(missing_ok=True)  # fairseq2 can't read one that a kill has left empty
    write_curve(job.curve, kept)
    return False


def validate_first(trainer: Trainer, stop: StopRequest, *, done: bool) -> None:
    """Have a trainer validate when it has restored its checkpoint.

    :param stop: may cut it off once more.
    :param done: that was all that was left to do.
    """
    # fairseq2's trainer (0.8) can validate before the first step of a new run only.
    restore = trainer._maybe_restore_state

    def restored() -> _TrainerState:
        state = restore()
        trainer._state = _TrainerState.STOP_REQUESTED  # in which it keeps the score
        score = trainer._validate()
        if score is not None and trainer._maybe_request_early_stop(score):
            return _TrainerState.EARLY_STOP
        if done or stop.in_validation:
            trainer._stop_requested = True
            return _TrainerState.STOPPED
        return state

    trainer._maybe_restore_state = restored  # type: ignore[method-assign]
