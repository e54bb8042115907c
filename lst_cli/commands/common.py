"""What all commands share: the global settings, the store, building with a summary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.console import say


@dataclass(frozen=True)
class Settings:
    """Options that stand before the command."""

    root: Path
    debug: bool


MaxRejectRate = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Fail when more than this share of the inputs is rejected.")
]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:N, or auto: a GPU where there is one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings(ctx: typer.Context) -> Settings:
    """The global settings of this call."""
    value = ctx.obj
    assert isinstance(value, Settings)
    return value


def store(ctx: typer.Context) -> Store:
    """The artifact store below ``--root``."""
    return Store(settings(ctx).root)


def build(ctx: typer.Context, request: Request, make: Callable[[Draft], None]) -> Artifact:
    """Build an artifact, or find it up to date, and say which."""
    built = store(ctx).build(request, make)
    artifact = built.artifact
    if built.fresh:
        say(f"made {artifact.reference}{_summary(artifact.statistics)}")
    else:
        say(f"up to date: {artifact.reference}")
    return artifact


def _summary(statistics: Any) -> str:
    shown = [
        f"{key} {value:,.4g}" if isinstance(value, float) else f"{key} {value:,}"
        for key, value in statistics.items()
        if isinstance(value, (int, float))
    ]
    return f" ({', '.join(shown)})" if shown else ""
