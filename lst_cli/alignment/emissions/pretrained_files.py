"""Pretrained CTC models on disk, looked at without loading torch: where they are, their labels, their sum."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lst_cli.errors import UserError
from lst_cli.units.features.hub_models import find_model, read_settings, weights_sha256

BUNDLE = "torchaudio:"
"""Prefix of a model's name that is a torchaudio bundle, such as ``torchaudio:WAV2VEC2_ASR_BASE_960H``."""

_SETTINGS = ("vocab.json", "tokenizer_config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class CtcVocabulary:
    """A model's labels and input format, from its files."""

    index_of: Mapping[str, int]
    blank: int
    separator: str
    normalize: bool
    """Whether it was trained on audio of mean 0 and variance 1."""


def find_ctc_model(name: str) -> Path:
    """The folder of a model given as a folder or as a name on the Hugging Face hub (fetched if need be).

    :raises UserError: there is no such folder, and the Hub has no such model or can't be reached.
    """
    expected = f"a folder, a name on the Hugging Face hub such as facebook/wav2vec2-base-960h, or {BUNDLE}BUNDLE"
    return find_model(name, f"--model {name}", expected, fetch=True)


def describe_model(name: str) -> dict[str, Any]:
    """The identity of a pretrained model in an alignment's config: its name, and the checksum of its files.

    A torchaudio bundle is identified by its name, which fixes the weights.

    :raises UserError: there is no such model, or it has no weights.
    """
    if name.startswith(BUNDLE):
        return {"name": name}
    folder = find_ctc_model(name)
    digest = hashlib.sha256()
    for file in _SETTINGS:
        if (folder / file).is_file():
            digest.update(file.encode() + b"\0" + (folder / file).read_bytes())
    return {"name": name, "weights_sha256": weights_sha256(folder), "settings_sha256": digest.hexdigest()}


def read_vocabulary(folder: Path) -> CtcVocabulary:
    """Read the labels of a CTC model.

    :raises UserError: ``vocab.json`` is missing or damaged, or has no blank.
    """
    index_of = read_settings(folder / "vocab.json")
    if not index_of:
        raise UserError(
            f"{folder / 'vocab.json'}: no labels",
            expected="a file that maps characters to indices",
            fix="save the tokenizer's vocab.json with the model",
        )
    tokenizer = read_settings(folder / "tokenizer_config.json")
    blank = _symbol(tokenizer.get("pad_token", "<pad>" if "<pad>" in index_of else "[PAD]"))
    if blank not in index_of:
        raise UserError(f"{folder}: the labels have no blank", found=", ".join(list(index_of)[:8]), expected=blank)
    return CtcVocabulary(
        index_of=index_of,
        blank=int(index_of[blank]),
        separator=_symbol(tokenizer.get("word_delimiter_token", "|")),
        normalize=bool(read_settings(folder / "preprocessor_config.json").get("do_normalize", True)),
    )


def _symbol(token: Any) -> str:
    """A token in ``tokenizer_config.json`` is a string, or a mapping with its content."""
    return str(token["content"] if isinstance(token, Mapping) else token)
