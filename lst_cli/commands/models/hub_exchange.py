"""``lst push`` and ``lst pull``: artifacts on the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from lst_cli.commands.common import Json, completing, print_built, store
from lst_cli.commands.models.exchange import License
from lst_cli.console import print_json, say


def push(
    ctx: typer.Context,
    artifact: Annotated[
        str,
        typer.Argument(
            help="model/NAME, quantizer/NAME or vocoder/NAME.",
            autocompletion=completing("model", "quantizer", "vocoder"),
        ),
    ],
    address: Annotated[str, typer.Argument(help="hf://USER/REPOSITORY")],
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public. The visibility of an existing one stays.")
    ] = False,
    license: License = None,
    json: Json = False,
) -> None:
    """Publish an artifact on the Hugging Face Hub; models as 'lst export' writes them. Needs HF_TOKEN."""
    from lst_cli.hub import HubAddress
    from lst_cli.publishing.push_artifact import push_artifact

    place = store(ctx)
    found = place.find_any(artifact)
    commit = push_artifact(place, found, HubAddress.parse(address), public=public, license=license)
    say(f"pushed {found.reference} to {address}")
    if json:
        print_json({"reference": found.reference, "commit": commit})


def pull(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(help="hf://USER/REPOSITORY\\[@REVISION]")],
    json: Json = False,
) -> None:
    """Download an artifact that 'lst push' published. Private ones need HF_TOKEN."""
    from lst_cli.hub import HubAddress
    from lst_cli.publishing.pull_artifact import pull_artifact

    print_built(pull_artifact(store(ctx), HubAddress.parse(address)), json=json)
