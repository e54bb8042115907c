"""``lst artifact``: list, show, verify, trace and remove artifacts."""

from __future__ import annotations

from typing import Annotated

import typer

from lst_cli.commands.common import Json, store
from lst_cli.console import print_json, print_table, say

app = typer.Typer(help="List, show, verify, trace and remove artifacts.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(help="KIND/NAME, KIND/NAME/VERSION, or a path.")]


@app.command("ls")
def list_artifacts(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Argument(help="Only this kind.")] = None,
    json: Json = False,
) -> None:
    """List all artifacts."""
    artifacts = [item for item in store(ctx).all() if kind is None or item.kind == kind]
    current = {item.reference for item in store(ctx).current()}
    if json:
        print_json(
            [{**item.to_json(), "path": str(item.path), "current": item.reference in current} for item in artifacts]
        )
        return
    rows = [
        (
            item.kind,
            item.name,
            item.version,
            "*" if item.reference in current else "",
            item.created[:19],
            f"{sum(f.bytes for f in item.files):,}",
        )
        for item in artifacts
    ]
    print_table("", ("kind", "name", "version", "current", "created (UTC)", "bytes"), rows)


@app.command()
def show(ctx: typer.Context, reference: Reference) -> None:
    """Print an artifact's manifest: config, parents, files, statistics."""
    item = store(ctx).find_any(reference)
    print_json({"path": str(item.path), **item.to_json()})


@app.command()
def verify(ctx: typer.Context, references: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Recompute the sums of artifacts (default: all) and name every file that differs."""
    from lst_cli.artifacts.maintenance import verify as verify_artifact
    from lst_cli.errors import LstError

    place = store(ctx)
    chosen = [place.find_any(reference) for reference in references] if references else list(place.all())
    problems = [problem for item in chosen for problem in verify_artifact(item)]
    if problems:
        raise LstError(
            f"{len(problems)} files differ from their manifest",
            found="; ".join(problems),
            fix="remove the damaged artifacts with 'lst artifact rm' and make them again",
        )
    say(f"{len(chosen)} artifacts are whole")


@app.command()
def lineage(ctx: typer.Context, reference: Reference, json: Json = False) -> None:
    """Print what an artifact was made from, back to the first inputs."""
    from lst_cli.artifacts.maintenance import lineage as trace

    place = store(ctx)
    steps = list(trace(place, place.find_any(reference)))
    if json:
        print_json([{"depth": depth, "role": role, "reference": ref, "present": ok} for depth, role, ref, ok in steps])
        return
    for depth, role, ref, present in steps:
        print(f"{'  ' * depth}{role + ': ' if role else ''}{ref}{'' if present else '  (gone)'}")


@app.command("rm")
def remove(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(help="KIND/NAME/VERSION, or KIND/NAME for all its versions.")],
    force: Annotated[bool, typer.Option("--force", help="Also when other artifacts were made from it.")] = False,
) -> None:
    """Remove an artifact, unless another one was made from it."""
    from lst_cli.artifacts.maintenance import remove as remove_artifacts

    for gone in remove_artifacts(store(ctx), reference, force=force):
        say(f"removed {gone}")
