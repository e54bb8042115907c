"""A training config as fairseq2's recipe reads it: the one place where lst's keys become fairseq2's."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import torch
from fairseq2.recipe.config import (
    ActivationCheckpointingConfig,
    CommonSection,
    CompileOptions,
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

from lst_cli.distributed.launcher import world_size
from lst_cli.training.config.train_config import TrainConfig
from lst_cli.training.engine.device_defaults import adamw, compiles
from lst_cli.training.engine.families import CONFIGURED
from lst_cli.training.engine.job import Job


@dataclass(kw_only=True)
class RecipeConfig:
    """The sections that fairseq2 looks for."""

    model: ModelSection
    gang: GangSection = field(default_factory=GangSection)
    trainer: TrainerSection
    optimizer: OptimizerSection
    lr_scheduler: LRSchedulerSection
    regime: RegimeSection
    common: CommonSection


def recipe_config(job: Job, device_type: str) -> RecipeConfig:
    """The sections of a job on this kind of device."""
    config, run = job.config, job.config.run
    optimizer, schedule = config.optimizer, config.schedule
    return RecipeConfig(
        model=ModelSection(
            family=job.family.model.family,
            arch=CONFIGURED,
            path=job.weights,
            compile=compiles(run, device_type),
            compile_options=CompileOptions(dynamic=True),
        ),
        trainer=TrainerSection(
            data_parallelism=run.parallel,
            fsdp=FSDPConfig(hybrid=run.hsdp),
            mixed_precision=_mixed_precision(config),
            # Without synchronisation every process holds full gradients, too large for a model that has to be sharded.
            grad_accumulation=GradAccumulationConfig(num_batches=job.accumulate, no_sync=run.parallel == "ddp"),
            activation_checkpointing=ActivationCheckpointingConfig(
                mode="layerwise" if run.activation_checkpointing else "off"
            ),
            max_grad_norm=optimizer.max_grad_norm,
        ),
        optimizer=OptimizerSection(config=adamw(optimizer, device_type)),
        lr_scheduler=LRSchedulerSection(
            config=CosineAnnealingLRConfig(
                cycle_len=job.steps - schedule.warmup_steps,
                num_warmup_steps=schedule.warmup_steps,
                final_lr_scale=schedule.min_lr_ratio,
            )
        ),
        regime=RegimeSection(
            checkpoint_every_n_steps=job.checkpoint_every,
            keep_last_n_checkpoints=run.keep_checkpoints,
            keep_checkpoint_every_n_steps=run.keep_every,
            publish_metrics_every_n_steps=config.log_every,
            validate_every_n_steps=job.validation.every if job.validation is not None else None,
            score_metric=job.best.metric if job.best is not None else None,
            keep_best_n_checkpoints=1 if job.best is not None else None,
        ),
        common=CommonSection(
            seed=config.seed,
            no_sweep_dir=True,
            torch=TorchConfig(
                num_threads=None if "OMP_NUM_THREADS" in os.environ else run.threads,
                allow_tf32=False,  # as in every command: see exact_float32
            ),
            metric_recorders=MetricRecordersConfig(tensorboard=TensorBoardConfig(enabled=False)),
        ),
    )


def _mixed_precision(config: TrainConfig) -> MixedPrecisionConfig:
    if config.precision == "float32":
        return MixedPrecisionConfig(mode="off", dtype=torch.float32)
    # fairseq2 keeps bfloat16 copies of the weights with FSDP only; otherwise it uses autocast.
    static = config.run.parallel == "fsdp" and world_size() > 1
    return MixedPrecisionConfig(mode="static" if static else "auto", dtype=torch.bfloat16)
