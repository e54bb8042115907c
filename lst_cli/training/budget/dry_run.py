"""Data, compute, memory and disk use of a pretraining run: ``lst pretrain --dry-run``. Trains and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.model.cost import GIB, Memory, Workload, memory, parameters, train_flops
from lst_cli.training.budget.data_sample import SequenceSample, aligned_share, take_sample, with_budget
from lst_cli.training.budget.disk import checkpoint_bytes, most_checkpoints, needed_bytes
from lst_cli.training.budget.flops import PEAK_BF16, peak_of
from lst_cli.training.config.pretrain_config import PretrainConfig
from lst_cli.training.config.train_config import RunSection, check_shares, resolve_model

if TYPE_CHECKING:
    from lst_cli.patching.stream import Rule
    from lst_cli.shards.documents.forms import Source
    from lst_cli.text.speech_codec import SpeechCodec


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The hardware of the planned run."""

    gpu: str
    """Part of its name, such as H100."""
    gpus: int
    mfu: float
    """Assumed share of the bfloat16 peak, including recomputed activations."""
    per_node: int = 8
    """GPUs of a node: ``run.hsdp`` shards within one."""


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
    hours: float | None
    """Duration on the machine; None if its peak is unknown."""


def make_plan(
    config: PretrainConfig,
    sources: Sequence[Source],
    speech: SpeechCodec,
    fitted: Rule | None,
    machine: Machine,
    *,
    initial: bool = False,
) -> Plan:
    """Plan a run.

    :param fitted: the rule of a strategy that has one.
    :param initial: it starts from a text model.
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
    work = _work(sample, sequences * steps)
    own = sequences // machine.gpus
    per_batch = min(config.run.micro_batch_size or own, own)
    flops = train_flops(model, vocabulary.size, work)
    return Plan(
        parameters=counts,
        steps=steps,
        positions_per_step=sequences * config.data.positions,
        tokens_per_step=sample.tokens * sequences,
        speech_tokens_per_step=sample.speech_tokens * sequences,
        aligned_share=share,
        epochs=_epochs(sources, sample, sequences * steps),
        flops=flops,
        checkpoints=steps // config.run.checkpoint_every + bool(steps % config.run.checkpoint_every),
        checkpoint_bytes=checkpoint_bytes(total),
        disk_bytes=needed_bytes(total, most_checkpoints(config.run, steps), initial=initial),
        memory=memory(
            model,
            vocabulary.size,
            _work(sample, per_batch),
            _shards(config.run, machine),
            checkpointing=config.run.activation_checkpointing,
        ),
        hours=_hours(flops, config.run, machine),
    )


def _shards(run: RunSection, machine: Machine) -> int:
    """GPUs that share one copy of the model."""
    if run.parallel == "ddp":
        return 1
    return min(machine.gpus, machine.per_node) if run.hsdp else machine.gpus


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
    unknown = f"the peak FLOPs of {machine.gpu} are unknown; known GPUs: {', '.join(PEAK_BF16)}"
    hours = unknown if plan.hours is None else f"{plan.hours:,.1f} h"
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
            f"{plan.memory.gathered:,.1f} gathered, {plan.memory.activations:,.1f} activations (estimate)",
        ),
        ("checkpoints", f"{plan.checkpoints}, {plan.checkpoint_bytes / GIB:,.2f} GiB each"),
        ("disk", f"{plan.disk_bytes / GIB:,.2f} GiB at most"),
        (f"time on {machine.gpus} x {machine.gpu} at {machine.mfu:.0%} MFU", hours),
    ]


def _work(sample: SequenceSample, sequences: int) -> Workload:
    return Workload(
        positions=sample.positions * sequences,
        tokens=sample.ids * sequences,
        context=sample.context,
        text=sample.text * sequences,
    )


def _epochs(sources: Sequence[Source], sample: SequenceSample, sequences: int) -> dict[str, float]:
    read = {"speech": sample.speech_documents, "text": sample.text_documents}
    return {
        source.name: read[source.name] * sequences / sum(group.rows for group in source.shards.groups)
        for source in sources
    }
