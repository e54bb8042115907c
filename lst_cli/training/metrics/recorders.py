"""TensorBoard, and Weights & Biases on request (``run.wandb``), for the records of the metrics log.

fairseq2 (0.8) sets up both itself, but without lst's timing figures (rates, waiting for data, MFU), and its
setup of Weights & Biases fails with newer releases of wandb.
"""

from __future__ import annotations

import wandb
from fairseq2.metrics.recorders import MetricRecorder, TensorBoardRecorder, WandbRecorder
from fairseq2.metrics.recorders.descriptor import MetricDescriptorRegistry

from lst_cli.errors import UserError
from lst_cli.training.engine.job import Job
from lst_cli.training.run.unfinished import identity_of

_LONGEST_ID = 128


def recorders(job: Job, names: MetricDescriptorRegistry) -> list[MetricRecorder]:
    """The recorders of a run's first process.

    :param names: display names of the figures.
    :raises UserError: Weights & Biases can't be reached, or there is no API key.
    """
    found: list[MetricRecorder] = []
    if job.config.run.tensorboard:
        found.append(TensorBoardRecorder(job.folders.logs, names))
    if job.config.run.wandb is not None:
        found.append(WandbRecorder(_wandb_run(job, job.config.run.wandb), names))
    return found


def _wandb_run(job: Job, project: str) -> wandb.Run:
    """The run's page; a resumed run continues on the same one."""
    version, name = job.folders.logs.name, job.folders.logs.parent.name
    try:
        return wandb.init(
            project=project,
            dir=job.folders.logs,
            id=f"{name}-{version}"[-_LONGEST_ID:],
            name=name,
            config=identity_of(job.folders.work),
            resume="allow",
        )
    except (wandb.Error, ValueError, RuntimeError) as error:
        raise UserError(
            "run.wandb: the run can't be reported to Weights & Biases",
            found=(str(error).splitlines() or [type(error).__name__])[0],
            fix="log in with 'wandb login', set WANDB_MODE=offline to send the run later with 'wandb sync', or remove "
            "run.wandb: the metrics log and TensorBoard's files don't need it",
        ) from error
