"""Does a run fit into a GPU's memory, which setting would make it fit, and is its data repeated too often."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from lst_cli.model.train_memory import Layers, Memory, memory
from lst_cli.training.budget.data_sample import SequenceSample
from lst_cli.training.budget.gpus import USABLE, memory_of
from lst_cli.training.budget.machine import Machine
from lst_cli.training.config.pretrain_config import PretrainConfig
from lst_cli.training.config.train_config import RunSection, resolve_model

REPEATS = 4.0
"""Epochs up to which repeated text trains nearly as well as new text (Muennighoff et al. 2023, section 6).
Measured for text only."""


def usable_gib(gpu: str) -> float | None:
    """Memory of a GPU that a run may fill; None if the GPU is unknown."""
    found = memory_of(gpu)
    return None if found is None else USABLE * found


def run_memory(config: PretrainConfig, vocabulary_size: int, sample: SequenceSample, machine: Machine) -> Memory:
    """Memory of one GPU of a run."""
    layers: Layers = "eager" if config.run.compile is False else "compiled"
    return memory(
        resolve_model(config.model),
        vocabulary_size,
        sample.work(_micro_batch(config, machine)),
        shards(config.run, machine),
        layers="checkpointed" if config.run.activation_checkpointing else layers,
        float32=config.precision == "float32",
    )


def shards(run: RunSection, machine: Machine) -> int:
    """GPUs that share one copy of the model."""
    if run.parallel == "ddp":
        return 1
    return min(machine.gpus, machine.per_node) if run.hsdp else machine.gpus


def find_fit(config: PretrainConfig, vocabulary_size: int, sample: SequenceSample, machine: Machine) -> str:
    """A warning that a run does not fit, with the first settings of ``run`` that would make it fit.

    Settings are tried from the cheapest to the most expensive: smaller micro-batches, sharding, recomputed activations,
    then all of them.
    """
    limit = usable_gib(machine.gpu)
    assert limit is not None
    needed = run_memory(config, vocabulary_size, sample, machine)
    told = f"a GPU needs {needed.total:,.0f} GiB, and {limit:,.0f} of {machine.gpu} can be used"
    for changes in _changes(config, machine):
        changed = dataclasses.replace(config, run=dataclasses.replace(config.run, **changes))
        fits = run_memory(changed, vocabulary_size, sample, machine)
        if fits.total <= limit:
            keys = " ".join(f"--set run.{key}={str(value).lower()}" for key, value in changes.items())
            return f"{told}: it fits ({fits.total:,.0f} GiB) with {keys}"
    return f"{told}, and no setting of run makes it fit: use more GPUs, a GPU with more memory or a smaller model"


def repeated(epochs: Mapping[str, float]) -> list[str]:
    """Warnings about sources that are read too often."""
    return [
        f"source {name} is read {times:,.1f} times: from {REPEATS:.0f} epochs on, repeated text is worth less than new "
        "text (Muennighoff et al. 2023)"
        for name, times in epochs.items()
        if times > REPEATS
    ]


def _micro_batch(config: PretrainConfig, machine: Machine) -> int:
    own = config.data.global_batch_size // machine.gpus
    return min(config.run.micro_batch_size or own, own)


def _changes(config: PretrainConfig, machine: Machine) -> Iterator[dict[str, Any]]:
    """Changes of ``run``, from the cheapest to the most expensive one."""
    own = _micro_batch(config, machine)
    batches = [own >> halvings for halvings in range(1, own.bit_length())]
    shard = machine.gpus > 1 and config.run.parallel == "ddp"
    for checkpointing in [{}] if config.run.activation_checkpointing else [{}, {"activation_checkpointing": True}]:
        for sharding in [{}, {"parallel": "fsdp"}] if shard else [{}]:
            for batch in [own, *batches]:
                yield {**sharding, **checkpointing, **({"micro_batch_size": batch} if batch != own else {})}
