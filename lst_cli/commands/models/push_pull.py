"""``lst push`` and ``lst pull``: artifacts on the Hugging Face Hub and in buckets."""

from __future__ import annotations

from typing import Annotated

import typer

from lst_cli.commands.common import Json, completing, print_built, store
from lst_cli.commands.models.exchange import License
from lst_cli.console import print_json, say
from lst_cli.errors import UserError
from lst_cli.storage.remote import is_url


def push(
    ctx: typer.Context,
    artifact: Annotated[
        str,
        typer.Argument(
            help="KIND/NAME; for the Hub, a model, quantizer or vocoder.",
            autocompletion=completing(),
        ),
    ],
    address: Annotated[str, typer.Argument(help="hf://USER/REPOSITORY, or a bucket such as s3://BUCKET/PREFIX.")],
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public. An existing one stays as it is.")
    ] = False,
    license: License = None,
    json: Json = False,
) -> None:
    """Publish a model, quantizer or vocoder on the Hugging Face Hub, or copy any artifact to a bucket.

    For the Hub, HF_TOKEN gives access; for buckets, the environment or the files of their own tools.
    """
    place = store(ctx)
    found = place.find_any(artifact)
    if _is_bucket(address):
        from lst_cli.artifacts.bucket_exchange import push_to_bucket

        if public or license is not None:
            option = "--public" if public else "--license"
            raise UserError(f"{option}: only for the Hugging Face Hub", found=address, fix=f"leave out {option}")
        url, fresh = push_to_bucket(found, address)
        say(f"pushed {found.reference} to {url}" if fresh else f"up to date: {url}")
        where = {"url": url, "fresh": fresh}
    else:
        from lst_cli.hub import HubAddress
        from lst_cli.publishing.push_artifact import push_artifact

        commit = push_artifact(place, found, HubAddress.parse(address), public=public, license=license)
        say(f"pushed {found.reference} to {address}")
        where = {"commit": commit}
    if json:
        print_json({"reference": found.reference, **where})


def pull(
    ctx: typer.Context,
    address: Annotated[
        str, typer.Argument(help="hf://USER/REPOSITORY\\[@REVISION], or s3://BUCKET/PREFIX/KIND/NAME\\[/VERSION].")
    ],
    json: Json = False,
) -> None:
    """Get an artifact that 'lst push' has put on the Hub or into a bucket, with its checksums verified."""
    place = store(ctx)
    if _is_bucket(address):
        from lst_cli.artifacts.bucket_exchange import pull_from_bucket

        built = pull_from_bucket(place, address)
    else:
        from lst_cli.hub import HubAddress
        from lst_cli.publishing.pull_artifact import pull_artifact

        built = pull_artifact(place, HubAddress.parse(address))
    print_built(built, json=json)


def _is_bucket(address: str) -> bool:
    return is_url(address) and not address.startswith("hf://")
