"""The model families ``lst`` and ``baseline``, registered with fairseq2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from fairseq2.composition import register_model_family
from fairseq2.models.utils.ac import apply_layerwise_ac
from fairseq2.models.utils.fsdp import apply_layerwise_fsdp
from fairseq2.runtime.dependency import DependencyContainer
from torch import nn

from lst_cli.model.architectures import ARCHITECTURES
from lst_cli.model.attention import allow_programs
from lst_cli.model.model import Baseline, Latent, SpeechTextModel, build_model
from lst_cli.model.model_config import ModelConfig

if TYPE_CHECKING:
    from fairseq2.nn.fsdp import FSDPWrapper

CONFIGURED = "configured"
"""The architecture name under which a run's own config is registered."""

PAPER_VOCABULARY_SIZE = 32_000 + 2 + 501
"""Llama 2's text tokens, two markers and 501 speech tokens (Lu et al. 2025, section 2)."""


@dataclass(kw_only=True)
class FamilyConfig:
    """The config from which a family builds a model."""

    model: ModelConfig
    vocabulary_size: int = PAPER_VOCABULARY_SIZE


def register_families(container: DependencyContainer, configured: FamilyConfig | None = None) -> None:
    """Make both families, and all architectures by name, known to fairseq2.

    :param configured: a run's own model, known as the architecture ``configured``.
    """
    for name, kls in (("lst", Latent), ("baseline", Baseline)):
        register_model_family(
            container,
            name,
            kls,
            FamilyConfig,
            factory=_build,
            fsdp_applier=_apply_fsdp,
            layerwise_ac_applier=_apply_activation_checkpointing,
            compiler=compile_layers,
        )
    for name, config in ARCHITECTURES.items():
        container.register_instance(FamilyConfig, FamilyConfig(model=config), key=name)
    if configured is not None:
        container.register_instance(FamilyConfig, configured, key=CONFIGURED)


def _build(config: FamilyConfig) -> SpeechTextModel:
    return build_model(config.model, config.vocabulary_size)


def count_parameters(config: FamilyConfig) -> int:
    """Parameters of a model, counted without allocating it."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in _build(config).parameters())


def _layer_stacks(model: nn.Module) -> list[nn.ModuleList]:
    return [module for module in model.modules() if isinstance(module, nn.ModuleList)]


def _apply_fsdp(model: SpeechTextModel, granularity: str, wrapper: FSDPWrapper) -> nn.Module:
    for stack in _layer_stacks(model):
        apply_layerwise_fsdp(stack, wrapper)
    return wrapper(model, reshard_after_forward=False)


def _apply_activation_checkpointing(model: SpeechTextModel, every_nth_layer: int) -> nn.Module:
    for stack in _layer_stacks(model):
        apply_layerwise_ac(stack, every_nth_layer)
    return model


def compile_layers(model: SpeechTextModel, *args: object, **kwargs: object) -> None:
    """Compile a model for training; arguments as those of ``torch.compile``."""
    # Layer by layer: one compiled program serves all layers of a stack, and FSDP's hooks stay outside of it.
    allow_programs()
    for stack in _layer_stacks(model):
        for layer in stack:
            layer.compile(*args, **kwargs)  # type: ignore[no-untyped-call]
