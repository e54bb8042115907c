"""``lst artifact``: list, show, verify, trace and remove artifacts, and remove leftovers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lst_cli.commands.common import Json, completing, settings, store
from lst_cli.console import print_json, print_line, print_table, say, warn
from lst_cli.errors import LstError, UserError
from lst_cli.storage.remote import is_url

if TYPE_CHECKING:
    from lst_cli.artifacts import Artifact
    from lst_cli.artifacts.leftovers import Leftover

app = typer.Typer(help="List, show, verify, trace and remove artifacts.", no_args_is_help=True)

Reference = Annotated[
    str,
    typer.Argument(
        help="KIND/NAME, KIND/NAME/VERSION, or a path that begins with /, ./ or ../.", autocompletion=completing()
    ),
]


@app.command("ls")
def list_artifacts(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Argument(help="List only this kind.")] = None,
    json: Json = False,
) -> None:
    """List all artifacts."""
    found, newest = _listed(ctx)
    artifacts = [item for item in found if kind is None or item.kind == kind]
    if json:
        print_json(
            [{**item.to_json(), "path": _place(item), "current": item.reference in newest} for item in artifacts]
        )
        return
    rows = [
        (
            item.kind,
            item.name,
            item.version,
            "*" if item.reference in newest else "",
            item.created[:19],
            f"{sum(f.bytes for f in item.files):,}",
        )
        for item in artifacts
    ]
    print_table("", ("kind", "name", "version", "current", "created (UTC)", "bytes"), rows)


def _listed(ctx: typer.Context) -> tuple[list[Artifact], set[str]]:
    """All artifacts below the root, a folder or a URL, and the references of those that ``KIND/NAME`` means."""
    root = settings(ctx).root
    if is_url(root):
        from lst_cli.artifacts.bucket import artifacts_below, newest
        from lst_cli.storage.remote import Remote

        found = list(artifacts_below(Remote.of(root)))
        return list(found), newest(found)
    place = store(ctx)
    _check_root(place.root)
    return list(place.all()), {item.reference for item in place.current()}


def _check_root(root: Path) -> None:
    """Warn of links to folders elsewhere, whose artifacts are found by name but not listed.

    :raises UserError: the root is a file.
    """
    if root.exists() and not root.is_dir():
        raise UserError(f"--root {root}: not a folder", fix="give the folder of the artifacts with --root or LST_ROOT")
    for link in sorted([*root.glob("*"), *root.glob("*/*")]):
        if link.is_symlink() and link.is_dir():
            warn(f"{link}: a link to a folder elsewhere; its artifacts are not listed, and never removed")


def _place(artifact: Artifact) -> str:
    """The path or URL of an artifact's folder."""
    return getattr(artifact, "url", None) or str(artifact.path)


@app.command()
def show(ctx: typer.Context, reference: Reference) -> None:
    """Print an artifact's manifest: config, parents, files, statistics, and the command that made it."""
    root = settings(ctx).root
    if is_url(root) or is_url(reference):
        from lst_cli.artifacts.bucket import find_in_bucket

        item: Artifact = find_in_bucket(reference if is_url(reference) else f"{root.rstrip('/')}/{reference}")
    else:
        item = store(ctx).find_any(reference)
    print_json({"path": _place(item), **item.to_json()})


@app.command()
def verify(
    ctx: typer.Context,
    references: Annotated[
        list[str] | None, typer.Argument(help="Artifacts to verify.  \\[default: all]", autocompletion=completing())
    ] = None,
) -> None:
    """Recompute the checksums of artifacts and name every file that differs from its manifest."""
    from lst_cli.artifacts.maintenance import verify as verify_artifact
    from lst_cli.artifacts.maintenance import verify_all

    place = store(ctx)
    if references:
        chosen = [place.find_any(reference) for reference in references]
        n, problems = len(chosen), [problem for item in chosen for problem in verify_artifact(item)]
    else:
        n, problems = verify_all(place)
    if problems:
        raise LstError(
            f"{len(problems)} files differ from their manifest",
            found="; ".join(problems),
            fix="remove the damaged artifacts with 'lst artifact rm' and make them again",
        )
    say(f"{n} artifacts are whole")


@app.command()
def lineage(ctx: typer.Context, reference: Reference, json: Json = False) -> None:
    """Print what an artifact was made from, back to the first inputs. Shared ancestors are expanded once."""
    from lst_cli.artifacts.maintenance import lineage as trace

    place = store(ctx)
    steps = list(trace(place, place.find_any(reference)))
    if json:
        print_json([{"depth": depth, "role": role, "reference": ref, "present": ok} for depth, role, ref, ok in steps])
        return
    for depth, role, ref, present in steps:
        print_line(f"{'  ' * depth}{role + ': ' if role else ''}{ref}{'' if present or is_url(ref) else '  (removed)'}")


@app.command("rm")
def remove(
    ctx: typer.Context,
    reference: Annotated[
        str, typer.Argument(help="KIND/NAME/VERSION, or KIND/NAME for all its versions.", autocompletion=completing())
    ],
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Remove it even if other artifacts were made from it, or its folder holds unknown files.",
        ),
    ] = False,
) -> None:
    """Remove an artifact from the root, unless another one was made from it."""
    from lst_cli.artifacts.removal import remove as remove_artifacts

    for gone in remove_artifacts(store(ctx), reference, force=force):
        say(f"removed {gone}")


@app.command()
def gc(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List only.")] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also remove unfinished work that the same command would resume.")
    ] = False,
    json: Json = False,
) -> None:
    """Remove what interrupted commands left behind, never the files of a running process."""
    from lst_cli.artifacts.leftovers import leftovers, remove_leftover
    from lst_cli.training.run.unfinished import resumable

    found = leftovers(store(ctx), resumable)
    done = [not dry_run and (unfinished or each.state == "left") and remove_leftover(each) for each in found]
    if json:
        print_json([_leftover(each, gone) for each, gone in zip(found, done, strict=True)])
        return
    if found:
        rows = [
            (str(each.path), each.what, _state(each, gone), f"{each.bytes:,}")
            for each, gone in zip(found, done, strict=True)
        ]
        print_table("", ("path", "what", "state", "bytes"), rows)
    freed = sum(each.bytes for each, gone in zip(found, done, strict=True) if gone)
    say(f"removed {sum(done)} of {len(found)} leftovers, {freed:,} bytes" if found else "no leftovers")


def _state(leftover: Leftover, gone: bool) -> str:
    if gone:
        return "removed"
    if leftover.state == "resumable":
        return "resumable: --unfinished removes it"
    return f"in use by {leftover.owner}" if leftover.owner is not None else leftover.state


def _leftover(leftover: Leftover, gone: bool) -> dict[str, Any]:
    return {
        "path": str(leftover.path),
        "what": leftover.what,
        "state": leftover.state,
        "bytes": leftover.bytes,
        "owner": str(leftover.owner) if leftover.owner is not None else None,
        "removed": gone,
    }
