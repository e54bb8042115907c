"""The fairseq2 recipe: our model families, train unit and data reader on fairseq2's trainer and checkpoint manager."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from fairseq2.checkpoint.manager import CheckpointStateNotValidError
from fairseq2.error import OperationalError
from fairseq2.gang import Gangs
from fairseq2.metrics.recorders import MetricDescriptor, MetricRecorder
from fairseq2.metrics.recorders.descriptor import MetricDescriptorRegistry
from fairseq2.recipe import Recipe, RecipeContext, run
from fairseq2.runtime.dependency import DependencyContainer, DependencyResolver
from fairseq2.task import Task, TaskStopException

from lst_cli.console import say, warn
from lst_cli.distributed.device import pick_device
from lst_cli.distributed.first_rank import first_alone
from lst_cli.distributed.launcher import lost_others, this_rank
from lst_cli.training.budget.disk import check_room, full_disk, most_checkpoints
from lst_cli.training.budget.gpus import peak_of
from lst_cli.training.engine.early_stopping import PatienceStopper
from lst_cli.training.engine.families import count_parameters, register_families
from lst_cli.training.engine.job import Job
from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
from lst_cli.training.engine.recipe_config import RecipeConfig, recipe_config
from lst_cli.training.engine.revalidate import lacks_validation
from lst_cli.training.engine.stopping import NothingLeft, StoppableTask, StopRequest
from lst_cli.training.engine.story_unit import STORY_ACCURACY
from lst_cli.training.engine.trainer_patches import stop_early, stop_in_validations, validate_first
from lst_cli.training.engine.validation_unit import CER
from lst_cli.training.metrics.batch_log import BatchLog, forget_after
from lst_cli.training.metrics.metrics_recorder import MetricsRecorder
from lst_cli.training.metrics.recorders import recorders
from lst_cli.training.metrics.run_logs import log_to_user, tidy_logs
from lst_cli.training.run.checkpoints import last_step, remove_unfinished, set_aside_damaged, sync
from lst_cli.training.run.reshard import CheckpointLayout, accept_local_state, recover, refit

if TYPE_CHECKING:
    from fairseq2.trainer import TrainStepHookArgs

    from lst_cli.training.config.train_config import RunSection


@dataclass(frozen=True)
class Reached:
    """How far a run has got."""

    step: int
    """The last step done."""
    in_validation: bool
    """Whether it was stopped during the validation after that step."""


def train(job: Job) -> Reached:
    """Train, or resume from the last checkpoint, until the last step or a stop.

    :raises UserError: the disk has too little space for the checkpoints, or is full.
    :raises LstError: a gradient is not finite, another process has failed, or the reader raises it.
    """
    device = pick_device(job.config.run.device, this_rank().local, option="run.device")
    os.environ["FAIRSEQ2_DEVICE"] = device
    recipe = _TrainingRecipe(job)
    # Every run ends with a stop request: fairseq2's trainer ignores one if it knows a last step.
    with tidy_logs(), suppress(TaskStopException):
        try:
            run(
                recipe,
                recipe_config(job, device.split(":")[0]),
                job.folders.logs,
                checkpoint_dir=job.checkpoints,
                no_rich=True,
                no_progress=True,
            )
        except (OSError, RuntimeError, OperationalError, CheckpointStateNotValidError) as error:
            known = full_disk(error, job.checkpoints) or lost_others(error)
            if known is not None:
                raise known from error
            raise
    return Reached(last_step(job.checkpoints), recipe.stop.in_validation)


def _peak_flops(run_: RunSection, gangs: Gangs) -> float | None:
    """Of all devices together."""
    peak = run_.peak_flops
    if peak is None and gangs.device.type == "cuda":
        peak = peak_of(torch.cuda.get_device_name(gangs.device))
    return peak * gangs.root.size if peak is not None else None


class _TrainingRecipe(Recipe):
    def __init__(self, job: Job) -> None:
        self._job = job
        self.stop = StopRequest(job.config.log_every if job.best is None else job.checkpoint_every)

    @property
    def config_kls(self) -> type[object]:
        return RecipeConfig

    def register(self, container: DependencyContainer) -> None:
        log_to_user()
        register_families(container, self._job.family)

        def metrics_recorder(resolver: DependencyResolver) -> MetricRecorder:
            gangs = resolver.resolve(Gangs)
            job = self._job
            also = recorders(job, resolver.resolve(MetricDescriptorRegistry))
            return MetricsRecorder(
                job.metrics_log, last_step(job.checkpoints), job.show, _peak_flops(job.config.run, gangs), also
            )

        container.collection.register(MetricRecorder, metrics_recorder)  # type: ignore[type-abstract]
        container.collection.register_instance(MetricDescriptor, CER)
        container.collection.register_instance(MetricDescriptor, STORY_ACCURACY)

    def create_task(self, context: RecipeContext) -> Task:
        job, gangs, stop = self._job, context.gangs, self.stop
        first_alone(gangs.root, partial(self._settle, gangs), "checks the checkpoint and reshards it if need be")
        last = last_step(job.checkpoints)
        unvalidated = lacks_validation(job, last, gangs, stop)
        if job.done(last) and not unvalidated:
            return NothingLeft(last)
        batch_log = BatchLog(job.batch_log, gangs.root.rank) if job.config.run.log_batches else None
        guard = NonfiniteGuard(job.checkpoints, job.folders.logs / "not_finite", gangs.root.rank, batch_log)
        model = context.get_data_parallel_model()
        unit = job.make_unit(model, gangs, job.steps, stop, guard, job.scheduled)
        held_out = job.validation.units(model, gangs, stop) if job.validation else []
        reader = job.make_reader(gangs, guard)
        trainer = context.create_trainer(unit, reader, [each for each, _ in held_out], [read for _, read in held_out])
        accept_local_state(context.get_optimizer())
        unit.end_training = trainer.request_stop
        stop_in_validations(trainer, stop)
        if unvalidated:
            validate_first(trainer, stop, done=job.done(last))
        if job.patience is not None:
            stop_early(trainer, PatienceStopper(job.patience, job.metrics_log))
        if gangs.root.rank == 0:
            trainer.register_checkpoint_save_hook(self._saved)
        return StoppableTask(trainer, stop, reader)

    def _settle(self, gangs: Gangs) -> None:
        """Check the free disk space, and fall back to the last checkpoint that can be read."""
        job, folder, run_ = self._job, self._job.checkpoints, self._job.config.run
        at_most = most_checkpoints(run_, job.steps, best=job.best is not None)
        check_room(folder, count_parameters(job.family), at_most)
        recover(folder)
        remove_unfinished(folder)
        for damaged in set_aside_damaged(folder):
            warn(
                f"the checkpoint of step {damaged.step} is damaged ({damaged.reason}); "
                f"falling back to the one of step {last_step(folder)}"
            )
        forget_after(job.batch_log, last_step(folder))
        if last := last_step(folder):
            say(f"resuming from the checkpoint of step {last} of {job.steps}")
            layout = CheckpointLayout(gangs.root.size, gangs.sdp.size if run_.parallel == "fsdp" else 1)
            if refit(folder / f"step_{last}", layout):
                say(f"resharded the checkpoint for {layout.processes} processes, {layout.shards} per copy of the model")

    def _saved(self, args: TrainStepHookArgs) -> None:
        sync(self._job.checkpoints / f"step_{args.step_nr}")
