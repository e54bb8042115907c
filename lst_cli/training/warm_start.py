"""Beginning from a text model, as TWIST and SpiritLM do: Llama-family weights in Hugging Face's layout.

Our baseline without its speech is a Llama: same layers, same rotary layout. An LST takes the layers of its global
transformer; its token states are narrower, so embeddings and head begin fresh.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.errors import UserError
from lst_cli.model.config import ModelConfig, ffn_dim

if TYPE_CHECKING:
    from torch import Tensor

    from lst_cli.text.vocabulary import Vocabulary

CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.model"
_WEIGHTS = "*.safetensors"
_BEGIN = 1
"""SentencePiece's ``<s>``, which opens a document of a Llama as ``<t>`` opens one of ours."""


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


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """One row of the table of what came from where."""

    ours: str
    theirs: str
    """Empty for what begins fresh."""
    numbers: int
    note: str = ""


def read_text_model(folder: Path) -> TextModel:
    """Find a text model's files and hash its weights.

    :raises UserError: the folder holds no such model.
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
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not a whole file", found=str(error)) from None
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 24):
                digest.update(block)
    return TextModel(folder=folder, config=config, files=files, sha256=digest.hexdigest())


def check_text_model(text: TextModel, config: ModelConfig, tokenizer: Path) -> None:
    """Refuse a text model whose layers or pieces are not those of the model to train.

    :param tokenizer: SentencePiece model of the model to train.
    :raises UserError: lists all that does not fit.
    """
    theirs = text.config
    heads = theirs.get("num_attention_heads")
    rope = theirs.get("rope_parameters") or theirs.get("rope_scaling") or {}
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


def initial_weights(
    text: TextModel, config: ModelConfig, vocabulary: Vocabulary, seed: int
) -> tuple[dict[str, Tensor], list[Mapped]]:
    """Fresh weights with those of the text model in their places, and what came from where.

    :param seed: of the fresh weights.
    :raises UserError: a file is damaged, or a tensor is missing or of another shape.
    """
    import torch

    from lst_cli.model.model import build_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = dict(build_model(config, vocabulary.size).state_dict())
    theirs = _Tensors(text)
    table: list[Mapped] = []

    def put(ours: str, value: Tensor, names: str, note: str = "") -> None:
        if value.shape != state[ours].shape:
            raise UserError(
                f"--init {text.folder}: {names}",
                found=f"shape {tuple(value.shape)}",
                expected=f"shape {tuple(state[ours].shape)} for {ours}",
            )
        state[ours] = value.to(state[ours].dtype).clone()
        table.append(Mapped(ours=ours, theirs=names, numbers=value.numel(), note=note))

    groups = config.heads // int(text.config.get("num_key_value_heads") or config.heads)
    for layer in range(config.layers):
        _put_layer(put, theirs, f"model.layers.{layer}.", f"global_transformer.layers.{layer}.", config, groups)
    if config.local is None:
        _put_tokens(put, theirs, state, vocabulary)
    placed = {row.ours for row in table}
    fresh = [Mapped(ours=name, theirs="", numbers=value.numel()) for name, value in state.items() if name not in placed]
    return state, table + fresh + theirs.unused()


def _put_layer(put: Any, theirs: _Tensors, at: str, to: str, config: ModelConfig, groups: int) -> None:
    import torch

    def repeated(name: str) -> Tensor:
        """Heads of keys or values that several heads of queries share, once for each of these."""
        rows = theirs[name]
        return rows.view(config.heads // groups, -1, rows.shape[1]).repeat_interleave(groups, 0).flatten(0, 1)

    query, key, value = (f"{at}self_attn.{part}_proj.weight" for part in "qkv")
    qkv = torch.cat([theirs[query], repeated(key), repeated(value)])
    put(to + "attention.qkv.weight", qkv, f"{at}self_attn.[qkv]_proj.weight", _shared(groups))
    put(to + "attention.out.weight", theirs[f"{at}self_attn.o_proj.weight"], f"{at}self_attn.o_proj.weight")
    gate, up = (theirs[f"{at}mlp.{part}_proj.weight"] for part in ("gate", "up"))
    put(to + "ffn.gate_up.weight", torch.cat([gate, up]), f"{at}mlp.[gate,up]_proj.weight")
    put(to + "ffn.down.weight", theirs[f"{at}mlp.down_proj.weight"], f"{at}mlp.down_proj.weight")
    put(to + "attention_norm.weight", theirs[f"{at}input_layernorm.weight"], f"{at}input_layernorm.weight")
    put(to + "ffn_norm.weight", theirs[f"{at}post_attention_layernorm.weight"], f"{at}post_attention_layernorm.weight")


def _shared(groups: int) -> str:
    return f"each head of keys and values for {groups} heads of queries" if groups > 1 else ""


def _put_tokens(put: Any, theirs: _Tensors, state: Mapping[str, Tensor], vocabulary: Vocabulary) -> None:
    """Rows of text pieces; those of markers and speech tokens stay fresh, but ``<t>`` is what opens a text there."""
    import torch

    pieces = vocabulary.pieces
    embedding, head = "model.embed_tokens.weight", "lm_head.weight"
    tied = head not in theirs
    for ours, name in (("embedding.weight", embedding), ("head.weight", embedding if tied else head)):
        rows = theirs[name]
        value = torch.cat([rows[:pieces].to(state[ours].dtype), state[ours][pieces:]])
        note = f"rows of {pieces:,} pieces; markers and speech tokens are fresh"
        if ours == "embedding.weight":
            value[vocabulary.t_marker] = rows[_BEGIN]
            note += ", <t> is its <s>"
        put(ours, value, name, note + (", tied there" if tied and ours == "head.weight" else ""))
    put("norm.weight", theirs["model.norm.weight"], "model.norm.weight")


class _Tensors:
    """The tensors of a text model by name, and which of them were used."""

    def __init__(self, text: TextModel) -> None:
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
        if name not in self._file_of:
            raise UserError(
                f"--init {self._text.folder}: a tensor is missing",
                found=f"{len(self._file_of)} tensors in {len(self._text.files)} files, no {name}",
                fix="give the folder that save_pretrained of transformers wrote, with all its parts",
            )
        self._used.add(name)
        value: Tensor = self._file_of[name].get_tensor(name).float()
        return value

    def unused(self) -> list[Mapped]:
        """Rows for what has no place in our model."""
        return [
            Mapped(ours="", theirs=name, numbers=prod(self._file_of[name].get_slice(name).get_shape()), note="not used")
            for name in self._file_of
            if name not in self._used
        ]


def table_rows(table: list[Mapped]) -> list[tuple[str, str, str, str]]:
    """The table for a user: layers that are alike stand together."""
    folded: dict[tuple[str, str, str], tuple[int, int]] = {}
    for row in table:
        key = (_folded(row.ours), _folded(row.theirs) or "fresh", row.note)
        count, numbers = folded.get(key, (0, 0))
        folded[key] = (count + 1, numbers + row.numbers)
    return [
        (ours or "-", theirs + (f" (x {count})" if count > 1 else ""), f"{numbers:,}", note)
        for (ours, theirs, note), (count, numbers) in folded.items()
    ]


def _folded(name: str) -> str:
    return ".".join("*" if part.isdecimal() else part for part in name.split("."))
