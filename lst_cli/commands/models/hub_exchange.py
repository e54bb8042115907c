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
        bool, typer.Option("--public", help="Make a new repository public. An existing one stays as it is.")
    ] = False,
    license: License = None,
    json: Json = False,
) -> None:
    """Publish an artifact on the Hugging Face Hub; a model as 'lst export' writes it. HF_TOKEN gives access."""
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
    address: Annotated[str, typer.Argument(help="hf://USER/REPOSITORY[@REVISION]")],
    json: Json = False,
) -> None:
    """Get an artifact that 'lst push' published. HF_TOKEN gives access to private ones."""
    from lst_cli.hub import HubAddress
    from lst_cli.publishing.pull_artifact import pull_artifact

    print_built(pull_artifact(store(ctx), HubAddress.parse(address)), json=json)
