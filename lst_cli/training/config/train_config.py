"""The config that pretraining and fine-tuning share: typed sections of the YAML file. Imports nothing heavy.

Every section except ``run`` is part of the model artifact's fingerprint: a changed value makes another model. ``run``
describes the use of the machine, and may change when a run is resumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.distributed.device import Precision
from lst_cli.distributed.launcher import world_size
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from lst_cli.model.model_config import ModelConfig


@config_dataclass
class ModelSection:
    """Which model to train."""

    architecture: str
    """A name such as ``lst_tiny`` or ``baseline_tiny``; an unknown name lists them all."""

    overrides: dict[str, Any] = Field(default_factory=dict)
    """Fields of the architecture to override, as in ``{layers: 4, local: {window: 256}}``."""


Decay = Annotated[float, Field(ge=0, lt=1)]
"""Of a running average."""

LrScale = Annotated[float, Field(ge=0, le=100)]
"""A learning rate relative to the run's."""

Module = Literal["embedding", "encoder", "global_transformer", "decoder", "norm", "head"]
"""A part of the model; tied embeddings go by ``embedding``."""


@config_dataclass
class OptimizerSection:
    """AdamW and gradient clipping (Lu et al. 2025, A.3)."""

    lr: float = Field(default=4e-4, gt=0, le=10)
    """Peak learning rate."""

    betas: tuple[Decay, Decay] = (0.9, 0.95)
    """Decay rates of the running averages of the gradient and of its square."""

    eps: float = Field(default=1e-8, gt=0, le=1)
    """Added to the denominator of the update."""

    weight_decay: float = Field(default=0.1, ge=0, le=10)
    """Decoupled weight decay, of all parameters."""

    max_grad_norm: float = Field(default=1.0, gt=0, le=1e9)
    """Gradients with a larger norm, over all parameters, are scaled down to it."""

    lr_scale: dict[Module, LrScale] = Field(default_factory=dict)
    """Learning rates relative to ``lr`` by module, as in ``{global_transformer: 0.1, embedding: 0}``; 0 freezes one."""


@config_dataclass
class ScheduleSection:
    """Learning rate schedule: linear warm-up, then cosine decay (Lu et al. 2025, A.3)."""

    warmup_steps: int = Field(default=2000, ge=0, le=10**9)
    """Steps of linear warm-up from 0 to the peak learning rate; fewer than ``budget.steps``."""

    min_lr_ratio: float = Field(default=0.01, ge=0, le=1)
    """Learning rate of the last step, relative to the peak."""


@config_dataclass
class RunSection:
    """How to use this machine; not part of the model's identity."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto``: CUDA if there is a GPU."""

    parallel: Literal["ddp", "fsdp"] = "ddp"
    """With several processes: replicate the model (``ddp``) or shard it (``fsdp``, FSDP2)."""

    hsdp: bool = False
    """Hybrid sharding (needs ``parallel: fsdp``): shard within a node and replicate between nodes."""

    micro_batch_size: int | None = Field(default=None, ge=1, le=10**6)
    """Sequences of one forward pass on one device. A smaller number needs less memory, and accumulates gradients. By
    default, all of a process's sequences of a step."""

    activation_checkpointing: bool = False
    """Recompute activations in the backward pass instead of keeping them."""

    compile: bool | None = None
    """Compile the layers with ``torch.compile``; by default on GPUs only."""

    threads: int | None = Field(default=None, ge=1, le=10**4)
    """CPU threads of one process; by default, the cores divided by the processes on the machine. The environment
    variable OMP_NUM_THREADS takes precedence."""

    checkpoint_every: int = Field(default=1000, ge=1, le=10**9)
    """Steps between two checkpoints; a multiple of ``log_every``."""

    keep_checkpoints: int = Field(default=2, ge=1, le=10**6)
    """Number of newest checkpoints to keep during the run."""

    keep_every: int | None = Field(default=None, ge=1, le=10**9)
    """Also keep the checkpoint of every multiple of this many steps, and its weights after the run: ``lst runs model``
    exports them. A multiple of ``checkpoint_every``; none by default."""

    peak_flops: float | None = Field(default=None, gt=0, le=1e21)
    """Peak FLOPs per second of one device, for ``mfu`` in the metrics log; by default from the data sheet of the GPU,
    if it is known."""

    log_batches: bool = False
    """Log the number and the checksum of every sequence that each process trains on, in the folder ``batches`` of the
    run's logs."""

    tensorboard: bool = True
    """Write TensorBoard event files next to the logs."""

    wandb: str | None = None
    """Weights & Biases project to log to; none by default."""

    prefetch: int = Field(default=4, ge=0, le=10**4)
    """Steps of data to prepare ahead; 0 for none."""

    skip_corrupt: bool = False
    """Skip damaged shards and row groups with a warning; otherwise they stop the run."""

    cache_gib: float = Field(default=50.0, ge=0, le=1e6)
    """Disk space for what is read of shards in a bucket (``--shards URL``), in GiB; 0 keeps nothing. The folder is
    ``~/.cache/lst``, or that of the environment variable LST_CACHE."""


@config_dataclass
class BudgetSection:
    """How long to train."""

    steps: int = Field(ge=1, le=10**9)
    """Optimizer steps."""


@config_dataclass
class TrainConfig:
    """The sections and keys that pretraining and fine-tuning share."""

    budget: BudgetSection
    """How long to train."""

    optimizer: OptimizerSection = Field(default_factory=OptimizerSection)
    """The optimizer."""

    schedule: ScheduleSection = Field(default_factory=ScheduleSection)
    """The learning rate schedule."""

    precision: Precision = "bfloat16"
    """Precision of the forward and backward pass; weights and optimizer state are float32."""

    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Seed of the initial weights and of every random draw of the data."""

    log_every: int = Field(default=10, ge=1, le=10**9)
    """Steps between two records of the metrics log; a run stops cleanly at multiples of it."""

    run: RunSection = Field(default_factory=RunSection)
    """How to use this machine; not part of the model's identity."""


def resolve_model(section: ModelSection) -> ModelConfig:
    """The architecture with its overrides.

    :raises UserError: there is no such architecture or field, or its values contradict each other.
    """
    from lst_cli.config import from_dict, to_dict
    from lst_cli.model.architectures import architecture
    from lst_cli.model.model_config import ModelConfig

    tree = _merged(to_dict(architecture(section.architecture)), section.overrides)
    return from_dict(ModelConfig, tree, "model.overrides").check()


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def check(config: TrainConfig) -> list[str]:
    """Contradictions between values of the config."""
    steps, run, log_every = config.budget.steps, config.run, config.log_every
    problems = []
    if config.schedule.warmup_steps >= steps:
        problems.append(
            f"schedule.warmup_steps is {config.schedule.warmup_steps}, but the run has only {steps} steps "
            "(budget.steps): lower it"
        )
    problems += check_every("run.checkpoint_every", run.checkpoint_every, log_every)
    if run.keep_every and run.keep_every % run.checkpoint_every:
        problems.append(
            f"run.keep_every is {run.keep_every}, not a multiple of run.checkpoint_every ({run.checkpoint_every})"
        )
    if run.hsdp and run.parallel != "fsdp":
        problems.append("run.hsdp needs run.parallel: fsdp")
    return problems


def check_every(name: str, every: int, log_every: int) -> list[str]:
    """An interval in steps has to be a multiple of ``log_every``."""
    return [f"{name} is {every}, not a multiple of log_every ({log_every})"] if every % log_every else []


def refuse(problems: Sequence[str]) -> None:
    """Refuse a config.

    :raises UserError: there are problems; all of them are listed.
    """
    if problems:
        raise UserError("the config contradicts itself", found="; ".join(problems))


def check_shares(global_batch_size: int, streams: int, size: int | None = None) -> None:
    """Refuse a number of processes that does not divide the data evenly.

    :param size: the number of processes; by default, that of this run.
    :raises UserError: names the key.
    """
    size = size or world_size()
    for name, value in (("data.global_batch_size", global_batch_size), ("data.streams", streams)):
        if value % size:
            raise UserError(
                f"{name}: {value} can't be divided among {size} processes",
                expected=f"a multiple of {size}",
                fix=f"change {name} (which makes another model), or the number of processes",
            )
