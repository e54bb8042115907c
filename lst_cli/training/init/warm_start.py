"""Beginning from a text model, as TWIST and SpiritLM do: Llama-family weights in Hugging Face's layout.

Our baseline without its speech is a Llama: same layers, same rotary layout. An LST takes the layers of its global
transformer; its token states are narrower, so embeddings and head begin fresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lst_cli.errors import UserError
from lst_cli.model.model_config import ModelConfig
from lst_cli.training.init.hf_llama import CONFIG_FILE, Tensors, TextModel

if TYPE_CHECKING:
    from torch import Tensor

    from lst_cli.text.vocabulary import Vocabulary

_BEGIN = 1
"""SentencePiece's ``<s>``, which opens a document of a Llama as ``<t>`` opens one of ours."""


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """One row of the table of what came from where."""

    ours: str
    theirs: str
    """Empty for what begins fresh."""
    numbers: int
    note: str = ""


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
    theirs = Tensors(text)
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
        at = f"model.layers.{layer}."
        try:
            _put_layer(put, theirs, at, f"global_transformer.layers.{layer}.", config, groups)
        except RuntimeError as error:  # torch can't put the parts together
            raise UserError(
                f"--init {text.folder}: the tensors of {at[:-1]} do not fit together",
                found=str(error).splitlines()[0],
                expected=f"the shapes that {CONFIG_FILE} tells",
            ) from None
    if config.local is None:
        _put_tokens(put, theirs, state, vocabulary)
    placed = {row.ours for row in table}
    fresh = [Mapped(ours=name, theirs="", numbers=value.numel()) for name, value in state.items() if name not in placed]
    left = [Mapped(ours="", theirs=name, numbers=n, note="not used") for name, n in theirs.unused().items()]
    return state, table + fresh + left


def _put_layer(put: Any, theirs: Tensors, at: str, to: str, config: ModelConfig, groups: int) -> None:
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


def _put_tokens(put: Any, theirs: Tensors, state: Mapping[str, Tensor], vocabulary: Vocabulary) -> None:
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
