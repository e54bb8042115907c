"""``lst arch``: the named architectures and their cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from lst_cli.commands.common import Json
from lst_cli.console import print_json, print_table

if TYPE_CHECKING:
    from lst_cli.model.cost import Workload
    from lst_cli.model.model_config import ModelConfig

app = typer.Typer(help="The named architectures and their cost.", no_args_is_help=True)

VocabularySize = Annotated[int, typer.Option(min=1, help="Vocabulary size: text tokens, two markers, speech tokens.")]
_PAPER_VOCABULARY = 32_000 + 2 + 501
_PATCH = 4
"""Speech tokens of a static patch."""


@app.command("ls")
def list_architectures(vocabulary: VocabularySize = _PAPER_VOCABULARY, json: Json = False) -> None:
    """List the architectures."""
    from lst_cli.config import to_dict
    from lst_cli.model.architectures import ARCHITECTURES
    from lst_cli.model.cost import parameters

    counts = {name: sum(parameters(config, vocabulary).values()) for name, config in ARCHITECTURES.items()}
    if json:
        print_json([{"name": n, "parameters": counts[n], **to_dict(c)} for n, c in ARCHITECTURES.items()])
        return
    rows = [
        (
            name,
            f"{counts[name] / 1e6:,.1f} M",
            f"{config.layers} x {config.dim}, {config.heads} heads",
            f"{c.encoder_layers} + {c.decoder_layers} x {c.dim}, {c.heads} heads" if (c := config.local) else "",
        )
        for name, config in ARCHITECTURES.items()
    ]
    print_table("", ("name", "parameters", "global transformer", "patch encoder + decoder"), rows)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="An architecture, such as lst_1b.")],
    vocabulary: VocabularySize = _PAPER_VOCABULARY,
    positions: Annotated[int, typer.Option(min=1, help="Positions per sequence.")] = 4096,
    sequences: Annotated[int, typer.Option(min=1, help="Sequences per GPU in one step.")] = 4,
    tokens_per_position: Annotated[
        float, typer.Option(min=1.0, help="Mean tokens per position; 3.00 / 2.42 for the paper's mixture.")
    ] = 3.00 / 2.42,
    shards: Annotated[
        int, typer.Option(min=1, help="GPUs over which weights, gradients and optimizer state are sharded (FSDP2).")
    ] = 32,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Activation checkpointing: keep only each layer's input.")
    ] = False,
    json: Json = False,
) -> None:
    """Print parameters by module, positions and FLOPs relative to the baseline, and memory per GPU."""
    from lst_cli.config import to_dict
    from lst_cli.model.architectures import architecture
    from lst_cli.model.cost import forward_flops, parameters
    from lst_cli.model.train_memory import memory

    config = architecture(name)
    ratio = tokens_per_position if config.local else 1.0
    work = _workload(positions, sequences, ratio)
    counts, flops = parameters(config, vocabulary), forward_flops(config, vocabulary, work)
    needs = memory(config, vocabulary, work, shards, layers="checkpointed" if checkpointing else "compiled")
    training = 3 * sum(flops.values())
    fewer = {
        "positions": 1 - work.positions / work.tokens,
        "flops": 1 - training / _baseline_flops(config, vocabulary, work),
    }
    if json:
        print_json(
            {
                "name": name,
                "config": to_dict(config),
                "parameters": counts,
                "forward_flops": flops,
                "train_flops_per_position": training / work.positions,
                "train_flops_per_token": training / work.tokens,
                "fewer_than_baseline": fewer,
                "memory_gib": dataclasses.asdict(needs),
            }
        )
        return
    _print_modules(name, counts, {module: value / work.positions for module, value in flops.items()})
    print(
        f"training: {training / work.positions / 1e9:,.2f} GFLOPs a position, "
        f"{training / work.tokens / 1e9:,.2f} GFLOPs a token at {ratio:.2f} tokens a position"
    )
    if config.local:
        print(
            f"against the baseline at equal data: {fewer['positions']:.1%} fewer positions (the paper's count), "
            f"{fewer['flops']:.1%} fewer FLOPs"
        )
    print(
        f"memory of each of {shards} GPUs at {sequences} x {positions} positions: {needs.total:.1f} GiB "
        f"(states {needs.states:.1f}, gathered {needs.gathered:.1f}, activations about {needs.activations:.1f}, "
        f"logits {needs.logits:.1f})"
    )


def _print_modules(name: str, counts: Mapping[str, int], flops: Mapping[str, float]) -> None:
    """Print parameters and forward FLOPs per position by module."""
    rows = [(module, count, flops.get(module, 0)) for module, count in counts.items()]
    rows.append(("all", sum(counts.values()), sum(flops.values())))
    columns = ("module", "parameters", "forward FLOPs / position")
    print_table(name, columns, [(module, f"{a / 1e6:,.1f} M", f"{b / 1e6:,.1f} M") for module, a, b in rows])


def _workload(positions: int, sequences: int, ratio: float) -> Workload:
    """Sequences of ``positions`` each, with ``ratio`` tokens a position."""
    from lst_cli.model.cost import Workload

    return Workload(
        positions=positions * sequences,
        tokens=positions * sequences * ratio,
        context=positions,
        # Each text token is a position, and each static patch holds four speech tokens.
        text=positions * sequences * max(0.0, (_PATCH - ratio) / (_PATCH - 1)),
    )


def _baseline_flops(config: ModelConfig, vocabulary: int, work: Workload) -> float:
    """Training FLOPs of the baseline on the same data, where every token is a position."""
    from lst_cli.model.cost import Workload, train_flops

    same = Workload(positions=work.tokens, tokens=work.tokens, context=work.context)
    return train_flops(dataclasses.replace(config, family="baseline", local=None), vocabulary, same)
