"""The files of an exported model: those that ``lst import`` reads, and those that transformers reads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.errors import UserError
from lst_cli.model_artifact.card import WEIGHTS_FILE, read_card
from lst_cli.publishing.hf_config import MODELING_FILE, generation_config, hf_config
from lst_cli.publishing.hf_tokenizer import tokenizer_files
from lst_cli.publishing.hub_readme import README_FILE, model_readme

if TYPE_CHECKING:
    from lst_cli.artifacts import Artifact, Store

FolderFiles = Mapping[str, "Path | bytes"]
"""Files by name: a path, or the contents."""

_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def export_files(
    store: Store, model: Artifact, *, repository: str | None = None, license: str | None = None
) -> FolderFiles:
    """All files of an export.

    :param repository: where it will be on the Hub, for the examples in its README.
    :param license: of the weights, as the Hub names it.
    :raises UserError: a file of the model is missing or damaged, or transformers does not support it.
    """
    from lst_cli.text.tokenizer import TextTokenizer

    card = read_card(model)
    own = {name: model.file(name) for name in card.files}
    dtype = _dtype(own[WEIGHTS_FILE], model.reference)
    tokenizer = TextTokenizer.from_file(own[card.tokenizer_file])
    return {
        **own,
        "config.json": _json(hf_config(card, dtype, model.reference)),
        "generation_config.json": _json(generation_config(card)),
        MODELING_FILE: Path(__file__).with_name(MODELING_FILE),
        **tokenizer_files(own[card.tokenizer_file], tokenizer, card.vocabulary),
        README_FILE: model_readme(store, model, card, repository=repository, license=license).encode(),
    }


def check_new(folder: Path) -> None:
    """:raises UserError: there is something at the place of a new folder."""
    if folder.exists():
        raise UserError(f"{folder}: exists already", expected="a new folder", fix="give another folder")


def write_folder(folder: Path, contents: FolderFiles) -> None:
    """Write files to a new folder, which is whole or absent."""
    from lst_cli.artifacts.parquet import atomic_path

    work = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    for name, content in contents.items():
        with atomic_path(work / name) as path:
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                shutil.copyfile(content, path)  # in pieces: weights may be larger than memory
    work.rename(folder)


def _dtype(weights: Path, name: str) -> str:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, "pt") as file:
            return _DTYPES[file.get_slice("embedding.weight").get_dtype()]
    except (SafetensorError, KeyError) as error:
        raise UserError(
            f"{name}: {weights.name}: not a whole file",
            found=str(error),
            fix="'lst artifact verify' names damaged files; remove the artifact and make it again",
        ) from None


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
