"""The config of ``lst finetune instruct``: the layout of its YAML files."""

from __future__ import annotations

from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.training.config.finetune_config import FinetuneValidationSection, examples_problems
from lst_cli.training.config.train_config import TrainConfig, refuse


@config_dataclass
class DialogueDataSection:
    """How dialogues are read."""

    answers_per_step: int = Field(default=16, ge=1, le=10**6)
    """Answers of one step, over all processes; a multiple of the number of processes."""

    max_tokens: int = Field(default=2048, ge=2, le=1 << 18)
    """Tokens of an answer with all turns before it; longer ones are skipped and counted."""

    held_out: float = Field(default=0.05, ge=0, lt=1)
    """Share of the dialogues that is held out for validation, chosen by a hash of their ids."""


@config_dataclass
class DialogueConfig(TrainConfig):
    """Everything about instruction tuning except its inputs. ``run.micro_batch_size`` counts answers."""

    data: DialogueDataSection = Field(default_factory=DialogueDataSection)
    """How dialogues are read."""

    validation: FinetuneValidationSection = Field(default_factory=FinetuneValidationSection)
    """Validation on the held-out dialogues; its metric is the loss."""


def resolve_dialogue(config: DialogueConfig) -> DialogueConfig:
    """Check a config.

    :raises UserError: values contradict each other; all problems are listed.
    """
    refuse(examples_problems(config, config.validation, config.data.held_out))
    return config
