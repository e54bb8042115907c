"""From a job to a ``model`` artifact: train or resume, then write the files that inference needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts import Draft, Request, Store
from lst_cli.model_artifact.card import ModelCard
from lst_cli.training.metrics.metrics_log import METRICS_FILE, read_metrics_log, write_metrics_log
from lst_cli.training.run.checkpoints import FOLDER, last_step
from lst_cli.training.run.model_files import fill_model
from lst_cli.training.run.snapshots import keep_snapshots
from lst_cli.training.run.unfinished import Stopped

if TYPE_CHECKING:
    from lst_cli.training.engine.job import Job


@dataclass(frozen=True, kw_only=True)
class Folders:
    """The folders of a run."""

    request: Request
    """The model that the run makes."""
    work: Path
    """State for resuming; removed when the artifact is complete."""
    logs: Path
    """Log files and TensorBoard; they outlive the run."""

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
        """The step to resume from; 0 for a new run."""
        return last_step(self.work / FOLDER)


def train_to_the_end(job: Job) -> None:
    """Train, or resume.

    :raises Stopped: the run was stopped before its last step, or in the validation after it.
    :raises LstError: it failed.
    """
    from lst_cli.training.engine.recipe import train

    reached = train(job)
    if reached.in_validation or not job.done(reached.step):
        where = "during the validation after" if job.done(reached.step) else "at"
        raise Stopped(
            f"training stopped {where} step {reached.step} of {job.steps}, on request",
            fix="run the same command again to resume",
        )


def write_model(
    draft: Draft, job: Job, card: ModelCard, *, tokenizer: Path, quantizer: Path, speech_bpe: Path | None
) -> None:
    """Write the artifact's files from the last checkpoint, or the best one."""
    from lst_cli.training.run.checkpoints import best_step, weights

    step = last_step(job.checkpoints)
    chosen = step if job.best is None else best_step(job.checkpoints)
    records = read_metrics_log(job.metrics_log)
    fill_model(
        draft,
        weights(job.checkpoints, chosen),
        card,
        records,
        {"steps": step, "chosen_step": chosen},
        tokenizer=tokenizer,
        quantizer=quantizer,
        speech_bpe=speech_bpe,
    )
    write_metrics_log(job.folders.logs / METRICS_FILE, records)
    keep_snapshots(job)
