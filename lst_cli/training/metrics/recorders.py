"""Where the lines of the curve go besides its file: TensorBoard, and Weights & Biases by option (``run.wandb``).

fairseq2 has both, but its own (0.8) are not told what follows from the clock (rates, waiting, utilisation), and its way
to Weights & Biases fails with newer releases of wandb.
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
    """What a run's first process reports to.

    :param names: how figures are called there.
    :raises UserError: Weights & Biases can't be reached, or has no key.
    """
    found: list[MetricRecorder] = []
    if job.run.tensorboard:
        found.append(TensorBoardRecorder(job.logs, names))
    if job.run.wandb is not None:
        found.append(WandbRecorder(_wandb_run(job, job.run.wandb), names))
    return found


def _wandb_run(job: Job, project: str) -> wandb.Run:
    """The run's page, the same one however often it goes on."""
    version, name = job.logs.name, job.logs.parent.name
    try:
        return wandb.init(
            project=project,
            dir=job.logs,
            id=f"{name}-{version}"[-_LONGEST_ID:],
            name=name,
            config=identity_of(job.work),
            resume="allow",
        )
    except (wandb.Error, ValueError, RuntimeError) as error:
        raise UserError(
            "run.wandb: the run can't be reported to Weights & Biases",
            found=(str(error).splitlines() or [type(error).__name__])[0],
            fix="log in with 'wandb login', set WANDB_MODE=offline to send the run later with 'wandb sync', or leave "
            "out run.wandb: the curve and TensorBoard's files are written without it",
        ) from error
