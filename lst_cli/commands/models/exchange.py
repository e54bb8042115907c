"""``lst export`` and ``lst import``: a model as a folder that transformers loads too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lst_cli.commands.common import Json, build, completing, store
from lst_cli.console import say

License = Annotated[
    str | None, typer.Option(help="Licence of the files, as the Hub names it (apache-2.0, …), for README.md.")
]


def export(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="The model: model/NAME, model/NAME/VERSION, or a path.", autocompletion=completing("model")
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    license: License = None,
) -> None:
    """Write a model to a folder that transformers and 'lst import' load, with its code, tokenizer and README."""
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.publishing.export_files import check_new, export_files, write_folder

    check_new(folder)
    place = store(ctx)
    artifact = place.find(model, MODEL)
    write_folder(folder, export_files(place, artifact, license=license))
    say(f"exported {artifact.reference} to {folder}")


def import_(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder that 'lst export' wrote.")],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    json: Json = False,
) -> None:
    """Make a model artifact from an exported folder."""
    import shutil

    from lst_cli.artifacts import Draft, Request
    from lst_cli.artifacts.draft import sync_and_sum
    from lst_cli.artifacts.parquet import atomic_path
    from lst_cli.errors import UserError
    from lst_cli.model_artifact.card import CARD_FILE, MODEL, read_card_file

    has_card = (folder / CARD_FILE).is_file()
    files = read_card_file(folder / CARD_FILE, str(folder)).files if has_card else (CARD_FILE,)
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder}: not an exported model", found=f"no {', '.join(missing)}", fix="export it with 'lst export'"
        )
    sums = {name: sync_and_sum(folder / name)[1] for name in files}

    def make(draft: Draft) -> None:
        from lst_cli.model.cost import parameters
        from lst_cli.model_artifact.card import load_folder

        for name in files:
            with atomic_path(draft.path / name) as path:
                shutil.copyfile(folder / name, path)
        loaded = load_folder(draft.path, str(folder))
        counts = parameters(loaded.card.architecture, loaded.card.vocabulary.size)
        draft.statistics["parameters"] = sum(counts.values())

    build(ctx, Request(kind=MODEL, name=name, config={"imported": sums}), make, json=json)
