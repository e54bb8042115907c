"""The fairseq2 recipe: our model families, train unit and data reader on fairseq2's trainer and checkpoint manager."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import torch
from fairseq2.checkpoint.manager import CheckpointStateNotValidError
from fairseq2.error import OperationalError
from fairseq2.gang import Gangs
from fairseq2.metrics.recorders import MetricDescriptor, MetricRecorder
from fairseq2.metrics.recorders.descriptor import MetricDescriptorRegistry
from fairseq2.recipe import Recipe, RecipeContext, run
from fairseq2.recipe.config import (
    ActivationCheckpointingConfig,
    AdamWConfig,
    CommonSection,
    CosineAnnealingLRConfig,
    FSDPConfig,
    GangSection,
    GradAccumulationConfig,
    LRSchedulerSection,
    MetricRecordersConfig,
    MixedPrecisionConfig,
    ModelSection,
    OptimizerSection,
    RegimeSection,
    TensorBoardConfig,
    TorchConfig,
    TrainerSection,
)
from fairseq2.runtime.dependency import DependencyContainer, DependencyResolver
from fairseq2.task import Task, TaskStopException

from lst_cli.console import say, warn
from lst_cli.distributed.first_rank import first_alone
from lst_cli.distributed.launcher import lost_others, world_size
from lst_cli.training.budget.disk import check_room, full_disk, most_checkpoints
from lst_cli.training.budget.flops import peak_of
from lst_cli.training.engine.early_stopping import stop_early
from lst_cli.training.engine.families import CONFIGURED, count_parameters, register_families
from lst_cli.training.engine.job import Job
from lst_cli.training.engine.logs import log_to_user, tidy_logs
from lst_cli.training.engine.nonfinite_guard import Watch
from lst_cli.training.engine.reshard import Layout, accept_local_state, recover, refit
from lst_cli.training.engine.revalidate import cut_off, validate_first
from lst_cli.training.engine.stopping import NothingLeft, StoppableTask, StopRequest, stop_in_validations
from lst_cli.training.engine.story_unit import STORY_ACCURACY
from lst_cli.training.engine.train_unit import SpeechTextUnit
from lst_cli.training.engine.validation_unit import CER
from lst_cli.training.metrics.batch_log import OrderLog, forget_after
from lst_cli.training.metrics.curve_recorder import CurveRecorder
from lst_cli.training.metrics.recorders import recorders
from lst_cli.training.run.checkpoints import last_step, remove_unfinished, set_aside_damaged, sync

if TYPE_CHECKING:
    from fairseq2.trainer import TrainStepHookArgs

    from lst_cli.training.config import train_config as config


@dataclass(frozen=True)
class Reached:
    """How far a run came."""

    step: int
    """The last step done."""
    in_validation: bool
    """Whether it was stopped in the validation after that step."""


def train(job: Job) -> Reached:
    """Train, or go on from the last checkpoint, until the last step or a stop.

    :raises UserError: the disk has no room for the checkpoints, or is full.
    :raises LstError: a gradient that is not finite, another process has failed, or whatever the reader raises.
    """
    if job.run.device != "auto":
        os.environ["FAIRSEQ2_DEVICE"] = "cuda:0" if job.run.device == "cuda" else "cpu"
    recipe = _TrainingRecipe(job)
    # Every run ends by a stop request: fairseq2's trainer heeds one only where it has no last step.
    with tidy_logs(), suppress(TaskStopException):
        try:
            run(recipe, _recipe_config(job), job.logs, checkpoint_dir=job.checkpoints, no_rich=True, no_progress=True)
        except (OSError, RuntimeError, OperationalError, CheckpointStateNotValidError) as error:
            told = full_disk(error, job.checkpoints) or lost_others(error)
            if told is not None:
                raise told from error
            raise
    return Reached(last_step(job.checkpoints), recipe.stop.in_validation)


@dataclass(kw_only=True)
class _RecipeConfig:
    """The sections that fairseq2 looks for."""

    model: ModelSection
    gang: GangSection = field(default_factory=GangSection)
    trainer: TrainerSection
    optimizer: OptimizerSection
    lr_scheduler: LRSchedulerSection
    regime: RegimeSection
    common: CommonSection


def _recipe_config(job: Job) -> _RecipeConfig:
    optimizer, schedule, run_ = job.optimizer, job.schedule, job.run
    return _RecipeConfig(
        model=ModelSection(family=job.family.model.family, arch=CONFIGURED, path=job.weights, compile=run_.compile),
        trainer=TrainerSection(
            data_parallelism=run_.parallel,
            fsdp=FSDPConfig(hybrid=run_.hsdp),
            mixed_precision=_mixed_precision(job),
            # Unsynchronised gradients are whole ones: too large where the model has to be sharded.
            grad_accumulation=GradAccumulationConfig(num_batches=job.accumulate, no_sync=run_.parallel == "ddp"),
            activation_checkpointing=ActivationCheckpointingConfig(
                mode="layerwise" if run_.activation_checkpointing else "off"
            ),
            max_grad_norm=optimizer.max_grad_norm,
        ),
        optimizer=OptimizerSection(
            config=AdamWConfig(
                lr=optimizer.lr, betas=optimizer.betas, eps=optimizer.eps, weight_decay=optimizer.weight_decay
            )
        ),
        lr_scheduler=LRSchedulerSection(
            config=CosineAnnealingLRConfig(
                cycle_len=job.steps - schedule.warmup_steps,
                num_warmup_steps=schedule.warmup_steps,
                final_lr_scale=schedule.min_lr_ratio,
            )
        ),
        regime=RegimeSection(
            checkpoint_every_n_steps=job.checkpoint_every,
            keep_last_n_checkpoints=run_.keep_checkpoints,
            keep_checkpoint_every_n_steps=run_.keep_every,
            publish_metrics_every_n_steps=job.log_every,
            validate_every_n_steps=job.validation.every if job.validation else None,
            score_metric=job.validation.metric if job.validation and job.keeps_best else None,
            keep_best_n_checkpoints=1 if job.keeps_best else None,
        ),
        common=CommonSection(
            seed=job.seed,
            no_sweep_dir=True,
            torch=TorchConfig(num_threads=None if "OMP_NUM_THREADS" in os.environ else run_.threads),
            metric_recorders=MetricRecordersConfig(tensorboard=TensorBoardConfig(enabled=False)),
        ),
    )


def _peak_flops(run_: config.RunSection, gangs: Gangs) -> float | None:
    """Of all devices together."""
    peak = run_.peak_flops
    if peak is None and gangs.device.type == "cuda":
        peak = peak_of(torch.cuda.get_device_name(gangs.device))
    return peak * gangs.root.size if peak is not None else None


def _mixed_precision(job: Job) -> MixedPrecisionConfig:
    if job.precision == "float32":
        return MixedPrecisionConfig(mode="off", dtype=torch.float32)
    # fairseq2 keeps bfloat16 copies of the weights under FSDP only; elsewhere autocast does.
    static = job.run.parallel == "fsdp" and world_size() > 1
    return MixedPrecisionConfig(mode="static" if static else "auto", dtype=torch.bfloat16)


class _TrainingRecipe(Recipe):
    def __init__(self, job: Job) -> None:
        self._job = job
        self.stop = StopRequest(job.checkpoint_every if job.keeps_best else job.log_every)

    @property
    def config_kls(self) -> type[object]:
        return _RecipeConfig

    def register(self, container: DependencyContainer) -> None:
        log_to_user()
        register_families(container, self._job.family)

        def curve(resolver: DependencyResolver) -> MetricRecorder:
            gangs = resolver.resolve(Gangs)
            job = self._job
            also = recorders(job, resolver.resolve(MetricDescriptorRegistry))
            return CurveRecorder(job.curve, last_step(job.checkpoints), job.show, _peak_flops(job.run, gangs), also)

        container.collection.register(MetricRecorder, curve)  # type: ignore[type-abstract]
        container.collection.register_instance(MetricDescriptor, CER)
        container.collection.register_instance(MetricDescriptor, STORY_ACCURACY)

    def create_task(self, context: RecipeContext) -> Task:
        job, gangs, stop = self._job, context.gangs, self.stop
        first_alone(gangs.root, partial(self._settle, gangs))
        last = last_step(job.checkpoints)
        unvalidated = cut_off(job, last, gangs, stop)
        if job.done(last) and not unvalidated:
            return NothingLeft(last)
        order = OrderLog(job.order, gangs.root.rank) if job.run.log_batches else None
        watch = Watch(job.checkpoints, job.logs / "not_finite", gangs.root.rank, order)
        model = context.get_data_parallel_model()
        unit = SpeechTextUnit(model, gangs, job.steps, stop, watch, job.scheduled)
        held_out = job.validation.units(model, gangs, stop) if job.validation else []
        trainer = context.create_trainer(
            unit, job.make_reader(gangs, watch), [each for each, _ in held_out], [read for _, read in held_out]
        )
        accept_local_state(context.get_optimizer())
        unit.end_training = trainer.request_stop
        stop_in_validations(trainer, stop)
        if unvalidated:
            validate_first(trainer, stop, done=job.done(last))
        if job.patience is not None:
            stop_early(trainer, job.patience, job.curve)
        if gangs.root.rank == 0:
            trainer.register_checkpoint_save_hook(self._saved)
        return StoppableTask(trainer, stop)

    def _settle(self, gangs: Gangs) -> None:
        """Make sure of room on the disk, and go back to a checkpoint that can be read."""
        job, folder = self._job, self._job.checkpoints
        check_room(folder, count_parameters(job.family), most_checkpoints(job.run, job.steps, best=job.keeps_best))
        recover(folder)
        remove_unfinished(folder)
        for damaged in set_aside_damaged(folder):
            warn(
                f"the checkpoint of step {damaged.step} is damaged ({damaged.reason}); "
                f"going back to the one of step {last_step(folder)}"
            )
        forget_after(job.order, last_step(folder))
        if last := last_step(folder):
            say(f"going on from the checkpoint of step {last} of {job.steps}")
            layout = Layout(gangs.root.size, gangs.sdp.size if job.run.parallel == "fsdp" else 1)
            if refit(folder / f"step_{last}", layout):
                say(f"the checkpoint was rewritten for {layout.processes} processes, {layout.shards} of them a copy")

    def _saved(self, args: TrainStepHookArgs) -> None:
        sync(self._job.checkpoints / f"step_{args.step_nr}")
