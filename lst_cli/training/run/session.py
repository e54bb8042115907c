"""From a job to a ``model`` artifact: train, or go on; then write what inference needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts import Draft, Request, Store
from lst_cli.model_artifact.card import ModelCard
from lst_cli.training.metrics.metrics_log import Line, read_curve, write_curve
from lst_cli.training.run.checkpoints import FOLDER, last_step
from lst_cli.training.run.model_files import METRICS_FILE, fill_model
from lst_cli.training.run.snapshots import keep_snapshots
from lst_cli.training.run.unfinished import Stopped

if TYPE_CHECKING:
    from fairseq2.datasets import DataReader
    from fairseq2.gang import Gangs

    from lst_cli.training.config.train_config import TrainConfig
    from lst_cli.training.engine.families import FamilyConfig
    from lst_cli.training.engine.job import Job, Validation
    from lst_cli.training.engine.nonfinite_guard import Watch
    from lst_cli.training.engine.train_batch import TrainBatch


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Where a run lives."""

    request: Request
    """What it makes."""
    work: Path
    """What a restart needs; goes when the artifact is complete."""
    logs: Path
    """Log files and TensorBoard; stays."""

    @classmethod
    def of(cls, store: Store, request: Request) -> Folders:
        """The folders of a request's run, the same for all processes."""
        return cls(
            request=request,
            work=store.working_folder(request) / "parts",
            logs=store.root / "runs" / request.name / request.version,
        )

    @property
    def last_step(self) -> int:
        """The step that the run goes on from; 0 for a new one."""
        return last_step(self.work / FOLDER)


def make_job(
    config: TrainConfig,
    family: FamilyConfig,
    folders: Folders,
    show: Callable[[Line], None],
    make_reader: Callable[[Gangs, Watch], DataReader[TrainBatch]],
    *,
    accumulate: int,
    weights: Path | None = None,
    validation: Validation | None = None,
    scheduled: Callable[[int], Mapping[str, float]] = lambda step: {},
) -> Job:
    """The job that a config describes."""
    from lst_cli.training.engine.job import Job

    return Job(
        family=family,
        make_reader=make_reader,
        steps=config.budget.steps,
        seed=config.seed,
        precision=config.precision,
        log_every=config.log_every,
        optimizer=config.optimizer,
        schedule=config.schedule,
        run=config.run,
        accumulate=accumulate,
        work=folders.work,
        logs=folders.logs,
        show=show,
        weights=weights,
        validation=validation,
        scheduled=scheduled,
    )


def train_to_the_end(job: Job) -> None:
    """Train, or go on.

    :raises Stopped: the run was stopped before its last step, or in the validation after it.
    :raises LstError: it failed.
    """
    from lst_cli.training.engine.recipe import train

    reached = train(job)
    if reached.in_validation or not job.done(reached.step):
        where = "in the validation after" if job.done(reached.step) else "at"
        raise Stopped(
            f"training stopped {where} step {reached.step} of {job.steps}, as it was asked to",
            fix="run the same command again: it goes on from there",
        )


def write_model(
    draft: Draft, job: Job, card: ModelCard, *, tokenizer: Path, quantizer: Path, speech_bpe: Path | None
) -> None:
    """Write the artifact's files from the last checkpoint, or the best one."""
    from lst_cli.training.run.checkpoints import best_step, weights

    step = last_step(job.checkpoints)
    chosen = best_step(job.checkpoints) if job.keeps_best else step
    lines = read_curve(job.curve)
    fill_model(
        draft,
        weights(job.checkpoints, chosen),
        card,
        lines,
        {"steps": step, "chosen_step": chosen},
        tokenizer=tokenizer,
        quantizer=quantizer,
        speech_bpe=speech_bpe,
    )
    write_curve(job.logs / METRICS_FILE, lines)
    keep_snapshots(job)
