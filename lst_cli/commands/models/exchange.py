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
    folder: Annotated[
        str, typer.Argument(help="A folder that 'lst export' wrote, or a model of slamkit: its folder or Hub name.")
    ],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    quantizer: Annotated[
        str | None,
        typer.Option(
            help="For slamkit: quantizer/NAME whose units the model was trained on.",
            autocompletion=completing("quantizer"),
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Make a model artifact from an exported folder, or from a speech language model of slamkit."""
    from lst_cli.errors import UserError
    from lst_cli.hub import hub_folder
    from lst_cli.training.init.unit_lm import is_unit_lm

    expected = "a folder that 'lst export' wrote, or a model of slamkit: its folder or Hub name, such as slprl/slam"
    found = hub_folder(folder, folder, ("*.json", "*.safetensors"), expected)
    if is_unit_lm(found):
        if quantizer is None:
            raise UserError(f"{folder}: the quantizer of this model is unknown", fix="name it with --quantizer")
        _import_unit_lm(ctx, found, name, quantizer, json=json)
        return
    if quantizer is not None:
        raise UserError(f"{folder}: an exported folder has its own quantizer", fix="remove --quantizer")
    _import_export(ctx, found, name, json=json)


def _import_unit_lm(ctx: typer.Context, folder: Path, name: str, quantizer: str, *, json: bool) -> None:
    """A model of slamkit."""
    from lst_cli.artifacts import Draft, Request
    from lst_cli.model_artifact.card import MODEL
    from lst_cli.model_artifact.save import save_model
    from lst_cli.text.json_tokenizer import no_text
    from lst_cli.training.init.unit_lm import read_unit_lm, unit_lm_weights
    from lst_cli.units.quantizer.codebook import CENTROIDS_FILE, QUANTIZER

    units = store(ctx).find(quantizer, QUANTIZER)
    text, card = read_unit_lm(folder, units)

    def make(draft: Draft) -> None:
        model = unit_lm_weights(text, card)
        tokenizer = draft.parts / card.tokenizer_file
        tokenizer.parent.mkdir(parents=True, exist_ok=True)
        tokenizer.write_bytes(no_text())
        save_model(draft.path, model, card, tokenizer=tokenizer, quantizer=units.file(CENTROIDS_FILE))
        draft.statistics["parameters"] = sum(parameter.numel() for parameter in model.parameters())

    config = {"imported": {"sha256": text.source.sha256}, "merges_repeats": card.merges_repeats}
    build(ctx, Request(kind=MODEL, name=name, config=config, parents={"quantizer": units}), make, json=json)


def _import_export(ctx: typer.Context, folder: Path, name: str, *, json: bool) -> None:
    """A folder of ``lst export``."""
    import shutil

    from lst_cli.artifacts import Draft, Request
    from lst_cli.artifacts.draft import sync_and_sum
    from lst_cli.artifacts.parquet import atomic_path
    from lst_cli.errors import UserError
    from lst_cli.model_artifact.card import CARD_FILE, MODEL, read_card_file

    has_card = (folder / CARD_FILE).is_file()
    if not has_card and (folder / "config.json").is_file():
        raise UserError(
            f"{folder}: neither an exported model nor one of slamkit",
            found="a model of transformers, such as a text model or a checkpoint of TWIST",
            expected="model_type speech_language_model in config.json",
            fix="start from a text model with 'lst pretrain --init'; score TWIST's own checkpoints with slamkit",
        )
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
