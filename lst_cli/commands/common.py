"""Shared by all commands: global settings, the store, completion of references, building with a summary."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lst_cli.artifacts import Artifact, Built, Draft, Request, Store
from lst_cli.console import print_json, say
from lst_cli.errors import UserError
from lst_cli.storage.remote import is_url

if TYPE_CHECKING:
    from lst_cli.distributed.launcher import Rank
    from lst_cli.distributed.ray_ranks import RayOptions
    from lst_cli.distributed.shared_work import SharedParts


@dataclass(frozen=True)
class Settings:
    """Options that precede the command."""

    root: str
    """A folder; for ``lst artifact ls`` and ``show`` also a URL."""
    debug: bool
    command: tuple[str, ...] = ()
    """The whole command line, without the program."""
    ray: RayOptions | None = None
    """How to share the command's work on Ray; None for ranks that some launcher has started, or none."""


MaxRejectRate = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Fail if more than this share of the inputs is rejected.")
]
Seed = Annotated[int, typer.Option(min=0, max=(1 << 63) - 1, help="Seed of every random draw.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:N, or auto: a GPU if there is one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings(ctx: typer.Context) -> Settings:
    """The global settings of this call."""
    value = ctx.obj
    assert isinstance(value, Settings)
    return value


def store(ctx: typer.Context) -> Store:
    """The artifact store below ``--root``.

    :raises UserError: the root is a URL, or a number on the command line is not finite or too large for 64 bits.
    """
    root = settings(ctx).root
    if is_url(root):
        raise no_bucket_root(root)
    for name, value in ctx.params.items():
        for number in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(number, (int, float)) and not -(2**63) <= number < 2**63:  # so is nan
                raise UserError(f"--{name.replace('_', '-')} {number}", expected="a finite number of usual size")
    return Store(Path(root))


def no_bucket_root(root: str) -> UserError:
    """What a command says to a root that is a URL, if it needs a folder."""
    return UserError(
        f"--root {root}: this command needs a folder of this machine",
        found="a URL, which 'lst artifact ls' and 'lst artifact show' can read",
        expected="a local folder for locks, artifacts that are being made, and checkpoints of runs",
        fix="give a folder with --root or LST_ROOT; copy artifacts with 'lst pull URL/KIND/NAME' and "
        "'lst push KIND/NAME URL', or train from shards in the bucket with --shards URL/shards/NAME",
    )


def completing(*kinds: str) -> Callable[[typer.Context, str], list[str]]:
    """Shell completion of references to artifacts of these kinds; of all kinds if none is given.

    Complete names first; versions after ``KIND/NAME/``.
    """

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        place = Store(Path(ctx.find_root().params.get("root") or "artifacts"))
        return [text for text in _references(place, kinds, incomplete.count("/") > 1) if text.startswith(incomplete)]

    return complete


def _references(place: Store, kinds: tuple[str, ...], versions: bool) -> Iterator[str]:
    for name in place.name_folders():
        folders = place.version_folders(name) if not kinds or name.parent.name in kinds else []
        if folders and name.parent.name != "runs":
            shown = f"{name.parent.name}/{name.name}"
            yield from (f"{shown}/{folder.name}" for folder in folders) if versions else [shown]


def build(ctx: typer.Context, request: Request, make: Callable[[Draft], None], *, json: bool = False) -> Artifact:
    """Build an artifact, or find it up to date, and say which.

    :param json: also print its reference, version, path and statistics on stdout, as JSON.
    :raises UserError: ``--engine ray`` is given, and the command runs in one process.
    """
    if settings(ctx).ray is not None:
        raise UserError(
            f"--engine ray: 'lst {ctx.command_path.partition(' ')[2]}' runs in one process", fix="leave out --engine"
        )
    built = store(ctx).build(request, make, settings(ctx).command)
    print_built(built, json=json)
    return built.artifact


def print_built(built: Built, *, json: bool) -> None:
    """Report whether an artifact was made or up to date; with ``json``, print it as JSON."""
    artifact = built.artifact
    if built.fresh:
        say(f"made {artifact.reference}{_summary(artifact.statistics)}")
    else:
        say(f"up to date: {artifact.reference}")
    if json:
        print_json(
            {
                "reference": artifact.reference,
                "version": artifact.version,
                "path": str(artifact.path),
                "fresh": built.fresh,
                "statistics": artifact.statistics,
            }
        )


def build_shared(
    ctx: typer.Context,
    plan: Callable[[Rank], tuple[Request, Callable[[Draft], None]]],
    work: Callable[[SharedParts], None],
    *,
    json: bool = False,
) -> Artifact | None:
    """Like :func:`build`, with the work shared by all ranks; None on any rank but 0.

    :param plan: the request, and the function that makes it of the parts.
    :param work: makes parts until none is missing.
    """
    from lst_cli.distributed.launcher import ALONE, sharing_rank
    from lst_cli.distributed.shared_work import build_together

    if settings(ctx).ray is not None:
        _run_on_ray(ctx, plan(ALONE)[0])
        built: Built | None = store(ctx).build(*plan(ALONE), settings(ctx).command)
    else:
        built = build_together(store(ctx), sharing_rank(), plan, work, settings(ctx).command)
    if built is None:
        return None
    print_built(built, json=json)
    return built.artifact


def _run_on_ray(ctx: typer.Context, request: Request) -> None:
    """Have ranks on Ray make an artifact, unless it exists. This process only waits for it."""
    from lst_cli.distributed.ray_ranks import run_on_ray

    place, options = store(ctx), settings(ctx)

    def finished() -> bool:
        return place.existing(request) is not None

    if options.ray is not None and not finished():
        run_on_ray(
            options.ray,
            sys.argv[1:],
            place.root,
            ctx.params.get("device"),
            finished=finished,
            parts=place.working_folder(request) / "parts",
        )


def _summary(statistics: Any) -> str:
    shown = [
        f"{key} {value:,.4g}" if isinstance(value, float) else f"{key} {value:,}"
        for key, value in statistics.items()
        if isinstance(value, (int, float))
    ]
    return f" ({', '.join(shown)})" if shown else ""
