"""Data, compute, memory and disk use of a pretraining run: ``lst pretrain --dry-run``. Trains and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.model.cost import parameters, train_flops
from lst_cli.model.train_memory import GIB, Memory
from lst_cli.training.budget.data_sample import SequenceSample, aligned_share, take_sample, with_budget
from lst_cli.training.budget.disk import checkpoint_bytes, most_checkpoints, needed_bytes
from lst_cli.training.budget.fit import find_fit, repeated, run_memory, usable_gib
from lst_cli.training.budget.gpus import GPUS, peak_of
from lst_cli.training.budget.machine import NODE_WRITES, Machine
from lst_cli.training.config.pretrain_config import PretrainConfig
from lst_cli.training.config.train_config import RunSection, check_shares, resolve_model

if TYPE_CHECKING:
    from lst_cli.patching.stream import Rule
    from lst_cli.shards.documents.forms import Source
    from lst_cli.text.speech_codec import SpeechCodec


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The figures of a run. Those of data are estimated from a sample of sequences."""

    parameters: dict[str, int]
    steps: int
    positions_per_step: int
    tokens_per_step: float
    speech_tokens_per_step: float
    aligned_share: float
    """Share of the run's sequences with aligned patching."""
    epochs: dict[str, float]
    """Epochs of each source."""
    flops: float
    """Of the whole run."""
    checkpoints: int
    checkpoint_bytes: int
    disk_bytes: int
    """Peak disk use."""
    memory: Memory
    """Of one GPU."""
    usable_gib: float | None
    """Memory of one GPU that the run may fill; None if the GPU is unknown."""
    hours: float | None
    """Duration of training steps on the machine; None if its peak is unknown."""
    validation_hours: float | None
    """Duration of all validations on the machine, without stories; None as ``hours``."""
    checkpoint_hours: float
    """Duration of writing all checkpoints, at :data:`NODE_WRITES` a node."""
    warnings: tuple[str, ...]
    """Warnings, with the changes to make before the run."""


def make_plan(
    config: PretrainConfig,
    sources: Sequence[Source],
    speech: SpeechCodec,
    fitted: Rule | None,
    machine: Machine,
    *,
    initial: bool = False,
    validation: int = 0,
) -> Plan:
    """Plan a run.

    :param fitted: the rule of a strategy that has one.
    :param initial: it starts from a text model.
    :param validation: modalities that it has held-out shards of.
    :raises UserError: shards are damaged or don't fit, or the data can't be divided among the GPUs.
    """
    check_shares(config.data.global_batch_size, config.data.streams, machine.gpus)
    config, vocabulary = with_budget(config, sources, speech, fitted), speech.vocabulary
    model = resolve_model(config.model)
    share = aligned_share(config)
    sample = take_sample(config, sources, speech, fitted, share)
    sequences, steps = config.data.global_batch_size, config.budget.steps
    counts = parameters(model, vocabulary.size)
    total = sum(counts.values())
    flops = train_flops(model, vocabulary.size, sample.work(sequences * steps))
    epochs = _epochs(sources, sample, sequences * steps)
    usable = usable_gib(machine.gpu)
    # A forward pass is a third of a training step.
    held_out = flops / 3 / (sequences * steps) * config.validation.sequences * validation
    checkpoints = steps // config.run.checkpoint_every + bool(steps % config.run.checkpoint_every)
    needs = run_memory(config, vocabulary.size, sample, machine)
    too_big = usable is not None and needs.total > usable
    return Plan(
        parameters=counts,
        steps=steps,
        positions_per_step=sequences * config.data.positions,
        tokens_per_step=sample.tokens * sequences,
        speech_tokens_per_step=sample.speech_tokens * sequences,
        aligned_share=share,
        epochs=epochs,
        flops=flops,
        checkpoints=checkpoints,
        checkpoint_bytes=checkpoint_bytes(total),
        disk_bytes=needed_bytes(total, most_checkpoints(config.run, steps), initial=initial),
        memory=needs,
        usable_gib=usable,
        hours=_hours(flops, config.run, machine),
        validation_hours=_hours(held_out * (steps // config.validation.every), RunSection(), machine),
        checkpoint_hours=checkpoints * checkpoint_bytes(total) / machine.nodes / NODE_WRITES / 3600,
        warnings=(
            *([find_fit(config, vocabulary.size, sample, machine)] if too_big else []),
            *repeated(epochs),
        ),
    )


def _hours(flops: float, run: RunSection, machine: Machine) -> float | None:
    peak = peak_of(machine.gpu)
    if peak is None:
        return None
    # The backward pass costs two forward passes; recomputing activations costs one more.
    done = flops * 4 / 3 if run.activation_checkpointing else flops
    return done / (peak * machine.gpus * machine.mfu) / 3600


def rows(plan: Plan, machine: Machine) -> list[tuple[str, str]]:
    """The plan as rows of a table."""
    modules = ", ".join(f"{name} {n / 1e6:,.1f} M" for name, n in plan.parameters.items())
    text_tokens = plan.tokens_per_step - plan.speech_tokens_per_step
    epochs = ", ".join(f"{name} {n:.2f}" for name, n in plan.epochs.items())
    unknown = f"the peak FLOPs of {machine.gpu} are unknown; known GPUs: {', '.join(GPUS)}"
    hours = unknown
    if plan.hours is not None and plan.validation_hours is not None:
        hours = (
            f"{plan.hours:,.1f} h, and {plan.validation_hours:,.1f} h of validation (without stories), "
            f"{plan.checkpoint_hours:,.1f} h of checkpoints (at {NODE_WRITES / 1e9:.0f} GB/s a node)"
        )
    room = "" if plan.usable_gib is None else f"; {plan.usable_gib:,.0f} GiB of {machine.gpu} can be used"
    return [
        ("parameters", f"{sum(plan.parameters.values()) / 1e6:,.1f} M ({modules})"),
        ("steps", f"{plan.steps:,} of {plan.positions_per_step:,} positions"),
        (
            "tokens per step",
            f"{plan.tokens_per_step:,.0f}: {plan.speech_tokens_per_step:,.0f} speech, {text_tokens:,.0f} text",
        ),
        ("total tokens", f"{plan.tokens_per_step * plan.steps:,.0f}"),
        ("aligned sequences", f"{plan.aligned_share:.1%}"),
        ("epochs", epochs),
        ("FLOPs", f"{plan.flops:.3g} ({plan.flops / plan.steps:.3g} per step)"),
        (
            "memory per GPU",
            f"{plan.memory.total:,.1f} GiB: {plan.memory.states:,.1f} weights and optimizer, "
            f"{plan.memory.gathered:,.1f} gathered, {plan.memory.activations:,.1f} activations, "
            f"{plan.memory.logits:,.1f} logits (estimate){room}",
        ),
        ("checkpoints", f"{plan.checkpoints}, {plan.checkpoint_bytes / GIB:,.2f} GiB each"),
        ("disk", f"{plan.disk_bytes / GIB:,.2f} GiB at most"),
        (f"time on {machine.gpus} x {machine.gpu} at {machine.mfu:.0%} MFU", hours),
    ]


def _epochs(sources: Sequence[Source], sample: SequenceSample, sequences: int) -> dict[str, float]:
    read = {"speech": sample.speech_documents, "text": sample.text_documents}
    return {
        source.name: read[source.name] * sequences / sum(group.rows for group in source.shards.groups)
        for source in sources
    }
