"""The config of ``lst pretrain``: the layout of its YAML files."""

from __future__ import annotations

import dataclasses
from typing import Literal

from pydantic import Field

from lst_cli.config import config_dataclass
from lst_cli.patching.strategies import PatchingConfig
from lst_cli.shards.documents.interleave import InterleaveConfig
from lst_cli.training.config.train_config import BudgetSection, ModelSection, TrainConfig, check, refuse, resolve_model


@config_dataclass
class PretrainDataSection:
    """How shards are mixed and packed (Lu et al. 2025, section 2 and A.1)."""

    positions: int = Field(default=4096, ge=2, le=1 << 18)
    """Global positions of a sequence: patches, text tokens and markers; for a baseline, tokens."""

    global_batch_size: int = Field(default=128, ge=1, le=10**6)
    """Sequences of one step, over all processes; a multiple of the number of processes."""

    streams: int = Field(default=32, ge=1, le=10**6)
    """Logical streams that the data are divided into; a multiple of the number of processes. Another number gives
    another order of the data."""

    speech_weight: float = Field(default=1.0, gt=0, le=1e6)
    """Share of the speech shards in the mixture, counted in tokens before patching, relative to ``text_weight``."""

    text_weight: float = Field(default=2.0, gt=0, le=1e6)
    """Share of the text shards in the mixture."""

    speech_form: Literal["interleaved", "speech"] = "interleaved"
    """``interleaved``: utterances with some spans replaced by their text; ``speech``: speech only."""

    interleave: InterleaveConfig = Field(default_factory=InterleaveConfig)
    """How utterances are divided into text and speech spans."""


@config_dataclass
class PretrainBudgetSection(BudgetSection):
    """How long to pretrain."""

    mode: Literal["compute-controlled", "data-controlled"] = "compute-controlled"
    """``compute-controlled``: every model trains for ``steps``, so all process the same number of positions.
    ``data-controlled``: every model reads as many tokens as an LST with static patches of 4 reads in ``steps``, to
    within about one percent."""


@config_dataclass
class PretrainValidationSection:
    """Validation: loss on ``--valid-shards``, accuracy on ``--stories``. Ignored if neither is given."""

    every: int = Field(default=1000, ge=1, le=10**9)
    """Steps between two validations; a multiple of ``log_every``."""

    sequences: int = Field(default=64, ge=1, le=10**6)
    """At most this many sequences of each modality, always the same ones."""

    stories: int = Field(default=200, ge=1, le=10**6)
    """At most this many stories of each task, always the same ones; scoring them interrupts training."""


@config_dataclass
class PretrainConfig(TrainConfig):
    """Everything about a pretraining run except its input artifacts."""

    model: ModelSection
    """The model."""

    budget: PretrainBudgetSection
    """How long to train."""

    patching: PatchingConfig = Field(default_factory=PatchingConfig)
    """How speech tokens are grouped into patches; ignored for a baseline, which has no patches."""

    data: PretrainDataSection = Field(default_factory=PretrainDataSection)
    """How shards are mixed and packed."""

    validation: PretrainValidationSection = Field(default_factory=PretrainValidationSection)
    """Validation during training."""


def resolve(config: PretrainConfig) -> PretrainConfig:
    """The config as the run uses it: a baseline has no patching.

    :raises UserError: values contradict each other; all problems are listed.
    """
    family = resolve_model(config.model).family
    refuse(check(config))
    if family == "baseline":
        return dataclasses.replace(config, patching=PatchingConfig(strategy="none", size=1))
    return config
