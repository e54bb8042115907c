"""The config of ``lst finetune``: the layout of its YAML files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.training.config.train_config import TrainConfig, check, check_every, refuse


@config_dataclass
class FinetuneDataSection:
    """How utterances are packed: whole, each one a document (Lu et al. 2025, section 5)."""

    positions: int = Field(default=4096, ge=2, le=1 << 18)
    """Global positions of a sequence; longer utterances are skipped and counted."""

    global_batch_size: int = Field(default=4, ge=1, le=10**6)
    """Sequences of one step, over all processes; a multiple of the number of processes."""

    streams: int = Field(default=4, ge=1, le=10**6)
    """Logical streams that the data are divided into; a multiple of the number of processes."""

    held_out: float = Field(default=0.02, ge=0, lt=1)
    """Share of the utterances that is held out for validation, chosen by a hash of their ids."""

    asr_weight: float = Field(default=1.0, gt=0, le=1e6)
    """Share of ASR in the tokens that are read, relative to ``tts_weight``, if both tasks are trained at once."""

    tts_weight: float = Field(default=1.0, gt=0, le=1e6)
    """Share of TTS in the tokens that are read."""


@config_dataclass
class FinetuneValidationSection:
    """Validation on the held-out utterances."""

    every: int = Field(default=100, ge=1, le=10**9)
    """Steps between two validations; a multiple of ``log_every``. A checkpoint is saved at each of them."""

    metric: Literal["loss", "wer", "cer"] = "loss"
    """How the best model is chosen: by loss, or by word or character error rate of greedy transcripts of all held-out
    utterances (ASR only; slower)."""

    keep: Literal["best", "last"] = "best"
    """Which checkpoint becomes the model: ``best``, the one with the lowest metric, or ``last``."""

    patience: int | None = Field(default=None, ge=1, le=10**9)
    """Stop early after this many validations without improvement; by default, train for ``budget.steps``. The learning
    rate follows ``budget.steps`` in either case, so it is still high when a run stops early."""


@config_dataclass
class FinetuneConfig(TrainConfig):
    """Everything about a fine-tuning run except its input artifacts."""

    data: FinetuneDataSection = Field(default_factory=FinetuneDataSection)
    """How utterances are packed."""

    validation: FinetuneValidationSection = Field(default_factory=FinetuneValidationSection)
    """Validation during training."""


def validation_problems(config: TrainConfig, validation: FinetuneValidationSection, held_out: float) -> list[str]:
    """Contradictions in the validation settings."""
    problems = check_every("validation.every", validation.every, config.log_every)
    if not held_out and validation.keep == "best":
        problems.append("validation.keep: best needs held-out data: raise data.held_out, or set it to last")
    if validation.patience is not None and validation.keep != "best":
        problems.append("validation.patience is for validation.keep: best")
    if validation.keep == "best" and config.run.keep_every:
        problems.append("run.keep_every is for validation.keep: last; the best checkpoint is kept as it is")
    return problems


def examples_problems(config: TrainConfig, validation: FinetuneValidationSection, held_out: float) -> list[str]:
    """Contradictions in the settings of tuning on a file of examples, which is validated by its loss alone."""
    problems = [*check(config), *validation_problems(config, validation, held_out)]
    if validation.metric != "loss":
        problems.append(f"validation.metric: {validation.metric} is for ASR: set it to loss")
    return problems


def resolve(config: FinetuneConfig, tasks: Sequence[str]) -> FinetuneConfig:
    """Check a config.

    :param tasks: the tasks to train.
    :raises UserError: values contradict each other; all problems are listed.
    """
    validation = config.validation
    problems = [*check(config), *validation_problems(config, validation, config.data.held_out)]
    if validation.metric != "loss" and "asr" not in tasks:
        problems.append(f"validation.metric: {validation.metric} is for ASR: set it to loss")
    if validation.metric != "loss" and config.run.parallel == "fsdp":
        problems.append(f"validation.metric: {validation.metric} needs run.parallel: ddp")
    refuse(problems)
    return config
