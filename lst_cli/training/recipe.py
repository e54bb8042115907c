"""The fairseq2 recipe: our model families, train unit and data reader on fairseq2's trainer and checkpoint manager."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from fairseq2.checkpoint.manager import CheckpointStateNotValidError
from fairseq2.error import OperationalError
from fairseq2.gang import Gangs
from fairseq2.metrics.recorders import MetricDescriptor, MetricRecorder
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
    WandbConfig,
)
from fairseq2.runtime.dependency import DependencyContainer, DependencyResolver
from fairseq2.task import Task, TaskStopException

from lst_cli.console import say, warn
from lst_cli.training.checkpoints import last_step, remove_unfinished, set_aside_damaged, sync
from lst_cli.training.curve import CurveRecorder
from lst_cli.training.disk import check_room, full_disk
from lst_cli.training.early import Patience, over, stop_early
from lst_cli.training.families import CONFIGURED, FamilyConfig, count_parameters, register_families
from lst_cli.training.flops import peak_of
from lst_cli.training.lines import Line
from lst_cli.training.logs import log_to_user, tidy_logs
from lst_cli.training.order import OrderLog, forget_after
from lst_cli.training.processes import rank, world_size
from lst_cli.training.reshard import Layout, accept_local_state, recover, refit
from lst_cli.training.stopping import NothingLeft, StoppableTask, StopRequest
from lst_cli.training.story_unit import STORY_ACCURACY, StoryReader, StoryUnit
from lst_cli.training.unit import SpeechTextUnit
from lst_cli.training.validation import CER, Judge, ValidationUnit
from lst_cli.training.watch import Watch

if TYPE_CHECKING:
    from fairseq2.datasets import DataReader
    from fairseq2.evaluator import EvalUnit
    from fairseq2.trainer import TrainStepHookArgs
    from torch import nn

    from lst_cli.training import config
    from lst_cli.training.batches import TrainBatch
    from lst_cli.training.stories import Scorer


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What is held out, and when the loss on it is taken."""

    every: int
    """Steps between two validations; a multiple of ``log_every``."""
    make_readers: Callable[[Gangs, StopRequest], Mapping[str, DataReader[TrainBatch]]]
    """By name; a single reader may have the empty name."""
    keep_best: bool = False
    """Save a checkpoint at every validation, and make the model of the one with the lowest metric."""
    metric: str = "loss"
    """What tells the better model; lower is better."""
    judges: Mapping[str, Judge] = field(default_factory=dict)
    """For readers by their name: error rates beside the loss."""
    stop_after: int | None = None
    """End the run after so many validations without a better one (only with ``keep_best``)."""
    stories: Mapping[str, Scorer] = field(default_factory=dict)
    """Stories to complete, by the source that their lines of the curve name."""

    def units(
        self, model: nn.Module, gangs: Gangs, stop: StopRequest
    ) -> list[tuple[EvalUnit[Any], DataReader[Any]]]:
        """What fairseq2's validator runs: loss on held-out data, then stories."""
        readers = self.make_readers(gangs, stop)
        losses = [(ValidationUnit(model, name or None, self.judges.get(name)), read) for name, read in readers.items()]
        stories = [
            (
                StoryUnit(model, source, scorer),
                StoryReader(scorer.items, every=self.every, gang=gangs.dp, stop=stop),
            )
            for source, scorer in self.stories.items()
        ]
        return [*losses, *stories]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training run, with everything resolved."""

    family: FamilyConfig
    make_reader: Callable[[Gangs, Watch], DataReader[TrainBatch]]
    """The batches of one process."""
    steps: int
    seed: int
    precision: config.Precision
    log_every: int
    optimizer: config.OptimizerSection
    schedule: config.ScheduleSection
    run: config.RunSection
    accumulate: int = 1
    """Batches of a step in each process."""
    work: Path
    """Folder of what a restart needs: checkpoints and the curve."""
    logs: Path
    """Folder of what a user looks at while the run goes on, and later: log files, TensorBoard."""
    show: Callable[[Line], None]
    """Shows a logged line to the user."""
    weights: Path | None = None
    """A safetensors file to begin from; by default fresh weights."""
    validation: Validation | None = None
    """Loss on held-out data now and then; by default none."""

    @property
    def keeps_best(self) -> bool:
        """Whether the model is made of the best checkpoint, instead of the last one."""
        return self.validation is not None and self.validation.keep_best

    @property
    def checkpoint_every(self) -> int:
        """Steps between two checkpoints."""
        if self.validation is not None and self.validation.keep_best:
            return self.validation.every
        return self.run.checkpoint_every

    @property
    def patience(self) -> Patience | None:
        """When to stop before the last step."""
        told = self.validation
        if told is None or told.stop_after is None:
            return None
        return Patience(metric=told.metric, validations=told.stop_after)

    def done(self, step: int) -> bool:
        """Whether nothing is left to do after this step, the newest checkpoint's."""
        return step >= self.steps or over(self.patience, self.curve, step)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.work / "checkpoints"

    @property
    def order(self) -> Path:
        """Folder of the log of what was trained on."""
        return self.logs / "order"

    @property
    def curve(self) -> Path:
        """The training curve, with timing."""
        return self.work / "curve.jsonl"


def train(job: Job) -> int:
    """Train, or go on from the last checkpoint, until the last step or a stop; return the last step done.

    :raises UserError: the disk has no room for the checkpoints, or is full.
    :raises LstError: a gradient that is not finite, or whatever the reader raises.
    """
    if rank() == 0:
        check_room(job.checkpoints, count_parameters(job.family), job.run.keep_checkpoints)
    if job.run.device != "auto":
        os.environ["FAIRSEQ2_DEVICE"] = "cuda:0" if job.run.device == "cuda" else "cpu"
    recipe = _TrainingRecipe(job)
    # Every run ends by a stop request: fairseq2's trainer heeds one only where it has no last step.
    with tidy_logs(), suppress(TaskStopException):
        try:
            run(recipe, _recipe_config(job), job.logs, checkpoint_dir=job.checkpoints, no_rich=True, no_progress=True)
        except (OSError, OperationalError, CheckpointStateNotValidError) as error:
            if (told := full_disk(error, job.checkpoints)) is not None:
                raise told from error
            raise
    return last_step(job.checkpoints)


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
            fsdp=FSDPConfig(hybrid=run_.hybrid),
            mixed_precision=_mixed_precision(job),
            # Unsynchronised gradients are whole ones: too large where the model has to be sharded.
            grad_accumulation=GradAccumulationConfig(num_batches=job.accumulate, no_sync=run_.parallel == "ddp"),
            activation_checkpointing=ActivationCheckpointingConfig(
                mode="layerwise" if run_.activation_checkpointing else "off"
            ),
            max_grad_norm=optimizer.clip,
        ),
        optimizer=OptimizerSection(
            config=AdamWConfig(
                lr=optimizer.lr, betas=optimizer.betas, eps=optimizer.eps, weight_decay=optimizer.weight_decay
            )
        ),
        lr_scheduler=LRSchedulerSection(
            config=CosineAnnealingLRConfig(
                cycle_len=job.steps - schedule.warmup,
                num_warmup_steps=schedule.warmup,
                final_lr_scale=schedule.final,
            )
        ),
        regime=RegimeSection(
            checkpoint_every_n_steps=job.checkpoint_every,
            keep_last_n_checkpoints=run_.keep_checkpoints,
            publish_metrics_every_n_steps=job.log_every,
            validate_every_n_steps=job.validation.every if job.validation else None,
            score_metric=job.validation.metric if job.validation and job.keeps_best else None,
            keep_best_n_checkpoints=1 if job.keeps_best else None,
        ),
        common=CommonSection(
            seed=job.seed,
            no_sweep_dir=True,
            torch=TorchConfig(num_threads=None if "OMP_NUM_THREADS" in os.environ else run_.threads),
            metric_recorders=MetricRecordersConfig(
                tensorboard=TensorBoardConfig(enabled=run_.tensorboard),
                wandb=WandbConfig(enabled=run_.wandb is not None, project=run_.wandb),
            ),
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

    @property
    def config_kls(self) -> type[object]:
        return _RecipeConfig

    def register(self, container: DependencyContainer) -> None:
        log_to_user()
        register_families(container, self._job.family)

        def curve(resolver: DependencyResolver) -> MetricRecorder:
            gangs = resolver.resolve(Gangs)
            resumed_from = last_step(self._job.checkpoints)
            return CurveRecorder(self._job.curve, resumed_from, self._job.show, _peak_flops(self._job.run, gangs))

        container.collection.register(MetricRecorder, curve)  # type: ignore[type-abstract]
        container.collection.register_instance(MetricDescriptor, CER)
        container.collection.register_instance(MetricDescriptor, STORY_ACCURACY)

    def create_task(self, context: RecipeContext) -> Task:
        job, gangs = self._job, context.gangs
        self._check_checkpoints(gangs)
        last = last_step(job.checkpoints)
        if job.done(last):
            return NothingLeft(last)
        stop = StopRequest(job.checkpoint_every if job.keeps_best else job.log_every)
        order = OrderLog(job.order, gangs.root.rank) if job.run.log_order else None
        watch = Watch(job.checkpoints, job.logs / "not_finite", gangs.root.rank, order)
        model = context.get_data_parallel_model()
        unit = SpeechTextUnit(model, gangs, job.steps, stop, watch)
        held_out = job.validation.units(model, gangs, stop) if job.validation else []
        trainer = context.create_trainer(
            unit, job.make_reader(gangs, watch), [each for each, _ in held_out], [read for _, read in held_out]
        )
        accept_local_state(context.get_optimizer())
        unit.end_training = trainer.request_stop
        if job.patience is not None:
            stop_early(trainer, job.patience, job.curve)
        if gangs.root.rank == 0:
            trainer.register_checkpoint_save_hook(self._saved)
        return StoppableTask(trainer, stop)

    def _check_checkpoints(self, gangs: Gangs) -> None:
        """Go back to a checkpoint that can be read; all processes wait until that is settled."""
        folder = self._job.checkpoints
        if gangs.root.rank == 0:
            recover(folder)
            remove_unfinished(folder)
            for damaged in set_aside_damaged(folder):
                warn(
                    f"the checkpoint of step {damaged.step} is damaged ({damaged.reason}); "
                    f"going back to the one of step {last_step(folder)}"
                )
            forget_after(self._job.order, last_step(folder))
            if last := last_step(folder):
                say(f"going on from the checkpoint of step {last} of {self._job.steps}")
                layout = Layout(gangs.root.size, gangs.sdp.size if self._job.run.parallel == "fsdp" else 1)
                if refit(folder / f"step_{last}", layout):
                    say(
                        f"the checkpoint was rewritten for {layout.processes} processes, {layout.shards} of them a copy"
                    )
        gangs.root.barrier()

    def _saved(self, args: TrainStepHookArgs) -> None:
        sync(self._job.checkpoints / f"step_{args.step_nr}")
