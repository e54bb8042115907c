"""The config of ``lst finetune dpo``: the layout of its YAML files."""

from __future__ import annotations

from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.training.config.finetune_config import FinetuneValidationSection, examples_problems
from lst_cli.training.config.train_config import TrainConfig, refuse


@config_dataclass
class PreferenceDataSection:
    """How pairs are read."""

    pairs_per_step: int = Field(default=16, ge=1, le=10**6)
    """Pairs of one step, over all processes; a multiple of the number of processes."""

    max_tokens: int = Field(default=2048, ge=2, le=1 << 18)
    """Tokens of a prompt with the longer of its continuations; longer pairs are skipped and counted."""

    held_out: float = Field(default=0.05, ge=0, lt=1)
    """Share of the pairs that is held out for validation, chosen by a hash of their ids."""


@config_dataclass
class PreferenceConfig(TrainConfig):
    """Everything about preference tuning except its inputs. ``run.micro_batch_size`` counts pairs."""

    beta: float = Field(default=0.1, gt=0, le=1e3)
    """Weight of the reference model (Rafailov et al. 2023): the higher, the closer the model stays to it."""

    data: PreferenceDataSection = Field(default_factory=PreferenceDataSection)
    """How pairs are read."""

    validation: FinetuneValidationSection = Field(default_factory=FinetuneValidationSection)
    """Validation on the held-out pairs; its metric is the loss."""


def resolve_preference(config: PreferenceConfig) -> PreferenceConfig:
    """Check a config.

    :raises UserError: values contradict each other; all problems are listed.
    """
    refuse(examples_problems(config, config.validation, config.data.held_out))
    return config
