"""The config of ``lst finetune``: the layout of its YAML files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.training.config.train_config import TrainConfig, check, check_every, refuse


@config_dataclass
class FinetuneDataSection:
    """How utterances are packed: whole, one document each (Lu et al. 2025, section 5)."""

    positions: int = Field(default=4096, ge=2)
    """Global positions of a sequence; longer utterances are passed over and counted."""

    global_batch_size: int = Field(default=4, ge=1)
    """Sequences of one step over all processes; a multiple of the number of processes."""

    streams: int = Field(default=4, ge=1)
    """Logical streams that the data are dealt to; a multiple of the number of processes."""

    held_out: float = Field(default=0.02, ge=0, lt=1)
    """Share of the utterances that is not trained on, for validation; which ones is a hash of their ids."""

    asr_weight: float = Field(default=1.0, gt=0)
    """Share of ASR among the tokens that are read, where several tasks are learnt at once."""

    tts_weight: float = Field(default=1.0, gt=0)
    """Share of TTS."""


@config_dataclass
class ValidationSection:
    """How well the model does on the held-out utterances."""

    every: int = Field(default=100, ge=1)
    """Steps between two validations; a multiple of ``log_every``. A checkpoint is saved at each of them."""

    metric: Literal["loss", "wer", "cer"] = "loss"
    """What tells the better model: the loss, or the word or character error rate of greedy transcripts of all held-out
    utterances (ASR only; takes longer)."""

    keep: Literal["best", "last"] = "best"
    """``best``: the model is the one of the validation with the lowest metric; ``last``: that of the last step."""

    patience: int | None = Field(default=None, ge=1)
    """Training ends after so many validations in a row without a better one; by default with the last step. The
    learning rate has not come down by then: it follows ``budget.steps``."""


@config_dataclass
class FinetuneConfig(TrainConfig):
    """Everything about a fine-tuning run but the model and the shards."""

    data: FinetuneDataSection = Field(default_factory=FinetuneDataSection)
    """What is read, and how it is packed."""

    validation: ValidationSection = Field(default_factory=ValidationSection)
    """How overfitting is seen."""


def resolve(config: FinetuneConfig, tasks: Sequence[str]) -> FinetuneConfig:
    """Check a config.

    :param tasks: what is to be learnt.
    :raises UserError: parts that do not go together; all of them are listed.
    """
    told = config.validation
    problems = [*check(config), *check_every("validation.every", told.every, config.log_every)]
    if not config.data.held_out and told.keep == "best":
        problems.append("validation.keep: best needs held-out utterances: raise data.held_out, or set it to last")
    if told.patience is not None and told.keep != "best":
        problems.append("validation.patience is for validation.keep: best")
    if told.keep == "best" and config.run.keep_every:
        problems.append("run.keep_every is for validation.keep: last; the best checkpoint is kept as it is")
    if told.metric != "loss" and "asr" not in tasks:
        problems.append(f"validation.metric: {told.metric} is for ASR: set it to loss")
    if told.metric != "loss" and config.run.parallel == "fsdp":
        problems.append(f"validation.metric: {told.metric} needs whole copies of the model: set run.parallel to ddp")
    refuse(problems)
    return config
