"""The folder of a text model, in Hugging Face's layout: its config, its text pieces and its tensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.errors import UserError
from lst_cli.model.model_config import ModelConfig, ffn_dim

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.model"
_WEIGHTS = "*.safetensors"
_ROPE = ("rope_parameters", "rope_scaling")
"""Where transformers keeps what rotary positions need, from version 5 on and before."""


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """A folder with a text model."""

    folder: Path
    config: Mapping[str, Any]
    files: tuple[Path, ...]
    sha256: str
    """Of all weights."""

    @property
    def identity(self) -> dict[str, str]:
        """What of it is part of a run's identity."""
        return {"sha256": self.sha256}


def read_text_model(folder: Path) -> TextModel:
    """Find a text model's files and hash its weights.

    :raises UserError: the folder holds no such model, or a file can't be read.
    """
    path = folder / CONFIG_FILE
    files = tuple(sorted(folder.glob(_WEIGHTS)))
    missing = [name for name, there in ((CONFIG_FILE, path.is_file()), (_WEIGHTS, bool(files))) if not there]
    if missing:
        raise UserError(
            f"--init {folder}: no text model",
            found=f"no {' and no '.join(missing)}",
            expected="config.json, *.safetensors and tokenizer.model, as save_pretrained of transformers writes them",
        )
    try:
        config = _read_config(path)
        digest = hashlib.sha256()
        for file in files:
            with file.open("rb") as stream:
                while block := stream.read(1 << 24):
                    digest.update(block)
    except OSError as error:
        raise UserError(f"{error.filename}: the file can't be read", found=error.strerror) from None
    return TextModel(folder=folder, config=config, files=files, sha256=digest.hexdigest())


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not a whole file", found=str(error)) from None
    if not isinstance(config, dict):
        raise UserError(f"{path}: no config of a model", found=f"a JSON {type(config).__name__}", expected="an object")
    for key in _ROPE:
        if not isinstance(config.get(key), dict | None):
            raise UserError(f"{path}: {key}", found=repr(config[key]), expected="an object or null")
    return config


def check_text_model(text: TextModel, config: ModelConfig, tokenizer: Path) -> None:
    """Refuse a text model whose layers or pieces are not those of the model to train.

    :param tokenizer: SentencePiece model of the model to train.
    :raises UserError: lists all that does not fit.
    """
    theirs = text.config
    heads = theirs.get("num_attention_heads")
    rope: Mapping[str, Any] = next((theirs[key] for key in _ROPE if theirs.get(key)), {})
    theta = theirs.get("rope_theta", rope.get("rope_theta", 10_000.0))
    wanted: list[tuple[str, Any, Any]] = [
        ("model_type", theirs.get("model_type"), "llama"),
        ("hidden_size", theirs.get("hidden_size"), config.dim),
        ("num_hidden_layers", theirs.get("num_hidden_layers"), config.layers),
        ("num_attention_heads", heads, config.heads),
        ("head_dim", theirs.get("head_dim") or config.dim // config.heads, config.dim // config.heads),
        ("intermediate_size", theirs.get("intermediate_size"), ffn_dim(config.dim)),
        ("rms_norm_eps", theirs.get("rms_norm_eps"), 1e-5),
        ("rope_theta", theta, config.rope_theta),
        ("rope_type", rope.get("rope_type", rope.get("type", "default")), "default"),
        ("hidden_act", theirs.get("hidden_act", "silu"), "silu"),
        ("attention_bias", bool(theirs.get("attention_bias")), False),
        ("mlp_bias", bool(theirs.get("mlp_bias")), False),
    ]
    differing = [(name, found, ours) for name, found, ours in wanted if found != ours]
    shared = theirs.get("num_key_value_heads")
    if shared is not None and not (isinstance(shared, int) and shared > 0 and config.heads % shared == 0):
        differing.append(("num_key_value_heads", shared, f"a divisor of {config.heads}"))
    if differing:
        raise UserError(
            f"--init {text.folder}: not the layers of the model to train",
            found=", ".join(f"{name} {found}" for name, found, _ in differing),
            expected=", ".join(f"{name} {ours}" for name, _, ours in differing),
            fix="choose the model.architecture, or set model.overrides (layers, dim, heads, rope_theta), that fits",
        )
    _check_pieces(text, tokenizer)


def _check_pieces(text: TextModel, tokenizer: Path) -> None:
    path = text.folder / TOKENIZER_FILE
    if not path.is_file():
        raise UserError(
            f"--init {text.folder}: no {TOKENIZER_FILE}",
            expected="the SentencePiece model of the text model: its pieces must be those of the shards",
            fix="put it beside the weights, and make the shards with it ('lst text import')",
        )
    ours, theirs = _pieces(tokenizer), _pieces(path)
    if ours != theirs:
        first = next((i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
        where = f"; piece {first} is {theirs[first]!r} for {ours[first]!r}" if first is not None else ""
        raise UserError(
            f"--init {text.folder}: other text pieces than the shards",
            found=f"{len(theirs):,} pieces{where}",
            expected=f"the {len(ours):,} pieces of {tokenizer}",
            fix="make the text tokenizer and the shards with the text model's tokenizer.model",
        )


def _pieces(path: Path) -> list[str]:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.Load(str(path))
    except (RuntimeError, OSError):
        raise UserError(f"{path}: not a SentencePiece model") from None
    return [processor.id_to_piece(id) for id in range(processor.get_piece_size())]


class Tensors:
    """The tensors of a text model by name, and which of them were used."""

    def __init__(self, text: TextModel) -> None:
        """Open the files.

        :raises UserError: one is damaged.
        """
        from safetensors import SafetensorError, safe_open

        self._text = text
        self._used: set[str] = set()
        self._file_of: dict[str, Any] = {}
        for path in text.files:
            try:
                file = safe_open(path, framework="pt")
            except SafetensorError as error:
                raise UserError(f"{path}: not a whole file", found=str(error)) from None
            names: list[str] = file.keys()  # type: ignore[no-untyped-call]
            self._file_of.update(dict.fromkeys(names, file))

    def __contains__(self, name: str) -> bool:
        return name in self._file_of

    def __getitem__(self, name: str) -> Tensor:
        """A tensor as float32.

        :raises UserError: there is none of that name, or it is no matrix (of norms: no vector).
        """
        if name not in self._file_of:
            raise UserError(
                f"--init {self._text.folder}: a tensor is missing",
                found=f"{len(self._file_of)} tensors in {len(self._text.files)} files, no {name}",
                fix="give the folder that save_pretrained of transformers wrote, with all its parts",
            )
        self._used.add(name)
        value: Tensor = self._file_of[name].get_tensor(name).float()
        dims = 1 if "norm" in name else 2
        if value.dim() != dims:
            found = f"shape {tuple(value.shape)}"
            raise UserError(f"--init {self._text.folder}: {name}", found=found, expected=f"{dims} dimensions")
        return value

    def unused(self) -> dict[str, int]:
        """Names of the tensors that nobody took, and how many numbers they hold."""
        left = {name: file for name, file in self._file_of.items() if name not in self._used}
        return {name: prod(file.get_slice(name).get_shape()) for name, file in left.items()}
