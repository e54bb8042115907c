"""Weights that begin from a text model's, as in TWIST (Hassid et al. 2023) and SpiritLM.

Our baseline without its speech is the text model: same layers, same rotary layout. What speech adds, rows of
embedding and output layer, is drawn to the statistics of the rows that are there. So is an LST whose text bypasses its
local layers at full width: its maps between embedding and global transformer begin as the identity. The token states
of other LSTs are narrower or pass through fresh layers: they take the layers of the global transformer only.

fairseq2 converts checkpoints of these families to the layout of its own modules: queries, keys and values apart, and
rotary pairs side by side. Ours are fused and halved, so tensors are taken from the checkpoint as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lst_cli.errors import UserError
from lst_cli.training.init.hf_folder import CONFIG_FILE, HfTensors
from lst_cli.training.init.initial_model import Mapped

if TYPE_CHECKING:
    from torch import Tensor

    from lst_cli.model.model_config import ModelConfig
    from lst_cli.text.vocabulary import Vocabulary
    from lst_cli.training.init.text_model import TextModel


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
    filling = Filling(text, state)
    for layer in range(config.layers):
        filling.layer(f"model.layers.{layer}.", f"global_transformer.layers.{layer}.", config)
    maps = [name for name in ("text_in.weight", "text_out.weight") if name in state]
    square = [name for name in maps if state[name].shape == (config.dim, config.dim)]
    if config.local is None or len(square) == 2:
        _put_tokens(filling, config, vocabulary, seed)
    for name in square:
        torch.nn.init.eye_(state[name])
        filling.note(name, "the identity", state[name].numel(), "text bypasses the local layers")
    fresh = [
        Mapped(ours=name, theirs="", numbers=value.numel())
        for name, value in state.items()
        if name not in filling.placed
    ]
    left = [Mapped(ours="", theirs=name, numbers=n, note="not used") for name, n in filling.theirs.unused().items()]
    return state, filling.table + fresh + left


class Filling:
    """Copies tensors to their places, and notes which went where."""

    def __init__(self, text: TextModel, state: dict[str, Tensor]) -> None:
        self.text = text
        self.state = state
        self.theirs = HfTensors(text.source)
        self.table: list[Mapped] = []
        self.placed: set[str] = set()

    def put(self, ours: str, names: list[str], shown: str = "", note: str = "") -> None:
        """Copy tensors, one below the other, over one of ours."""
        values = [self.theirs[name] for name in names]
        place = self.state[ours]
        rows = sum(len(value) if value.dim() else 0 for value in values)
        if any(value.shape[1:] != place.shape[1:] for value in values) or rows != len(place):
            raise UserError(
                f"{self.text.name}: {shown or names[0]}",
                found=" and ".join(f"shape {tuple(value.shape)}" for value in values),
                expected=f"shape {tuple(place.shape)} for {ours}, from {CONFIG_FILE}",
                fix="the weights are not those of the config: download both again",
            )
        at = 0
        for value in values:
            place[at : at + len(value)].copy_(value)
            at += len(value)
        self.note(ours, shown or names[0], place.numel(), note)

    def note(self, ours: str, theirs: str, numbers: int, note: str) -> None:
        """A row of the table."""
        self.placed.add(ours)
        self.table.append(Mapped(ours=ours, theirs=theirs, numbers=numbers, note=note))

    def layer(self, at: str, to: str, config: ModelConfig) -> None:
        """One layer."""
        attention, block = f"{at}self_attn.", config.block
        groups = config.heads // config.kv_heads
        shared = f"each head of keys and values for {groups} heads of queries" if groups > 1 else ""
        for part in ("weight", "bias") if block.qkv_bias else ("weight",):
            names = [f"{attention}{each}_proj.{part}" for each in "qkv"]
            self.put(f"{to}attention.qkv.{part}", names, f"{attention}[qkv]_proj.{part}", shared)
        for each in "qk" if block.qk_norm else "":
            self.put(f"{to}attention.{each}_norm.weight", [f"{attention}{each}_norm.weight"])
        self.put(f"{to}attention.out.weight", [f"{attention}o_proj.weight"])
        gate_up = [f"{at}mlp.{part}_proj.weight" for part in ("gate", "up")]
        self.put(f"{to}ffn.gate_up.weight", gate_up, f"{at}mlp.[gate,up]_proj.weight")
        self.put(f"{to}ffn.down.weight", [f"{at}mlp.down_proj.weight"])
        self.put(f"{to}attention_norm.weight", [f"{at}input_layernorm.weight"])
        self.put(f"{to}ffn_norm.weight", [f"{at}post_attention_layernorm.weight"])


def _put_tokens(filling: Filling, config: ModelConfig, vocabulary: Vocabulary, seed: int) -> None:
    """Rows of text tokens; ``<t>`` is what opens a text there, other rows are drawn like those."""
    embedding, head = "model.embed_tokens.weight", "lm_head.weight"
    begin = filling.text.begin
    for ours, name in (("embedding.weight", embedding), ("head.weight", head)):
        if ours == "head.weight" and config.tied:
            filling.note(ours, embedding, filling.state[ours].numel(), "tied: the embedding's matrix")
            continue
        rows_VD, place_VD = filling.theirs[name], filling.state[ours]
        if rows_VD.dim() != 2 or len(rows_VD) < vocabulary.pieces or rows_VD.shape[1] != place_VD.shape[1]:
            raise UserError(
                f"{filling.text.name}: {name}",
                found=f"shape {tuple(rows_VD.shape)}",
                expected=f"at least {vocabulary.pieces:,} rows of {place_VD.shape[1]} numbers",
                fix=f"add rows for all tokens of its tokenizer with model.resize_token_embeddings({vocabulary.pieces}) "
                "of transformers, and save the model",
            )
        known_VD = place_VD[: vocabulary.pieces]
        known_VD.copy_(rows_VD[: vocabulary.pieces])
        place_VD[vocabulary.pieces :].copy_(like(known_VD, len(place_VD) - vocabulary.pieces, seed, ours))
        note = f"rows of {vocabulary.pieces:,} text tokens; others are drawn to their mean and covariance"
        if ours == "embedding.weight" and begin is not None and begin < vocabulary.pieces:
            place_VD[vocabulary.t_marker].copy_(known_VD[begin])
            note += f", <t> is row {begin}"
        filling.note(ours, name, place_VD.numel(), note)
    filling.put("norm.weight", ["model.norm.weight"])


def like(known_VD: Tensor, rows: int, seed: int, name: str) -> Tensor:
    """New rows, normally distributed with the mean of the known ones and half their deviation, in every direction.

    With the deviation of each column alone, speech tokens of SmolLM2 would have a sixth of the probability after a
    text: its output rows differ least in the direction of its states. With the whole covariance that is 0.2%, with half
    the deviation 0.01%: then the text model is what it was (Hewitt 2021 argues for the mean alone).

    The draws are hashes of seed, name, row and column.
    """
    import numpy as np
    import torch

    from lst_cli.hashing import text_id, uniform

    width = known_VD.shape[1]
    row, column = np.arange(rows)[:, None], np.arange(width)
    radius, turn = (uniform(seed, text_id(name), which, row, column) for which in (0, 1))
    # Box and Muller 1958; 1 - u is never 0.
    normal_ND = torch.from_numpy(np.sqrt(-2 * np.log(1 - radius)) * np.cos(2 * np.pi * turn))
    mean_D = known_VD.mean(0).double()
    covariance_DD = (known_VD.T @ known_VD).double() / len(known_VD) - torch.outer(mean_D, mean_D)
    # Fewer rows than columns leave some directions without any deviation: Cholesky needs a little.
    covariance_DD += torch.eye(width) * covariance_DD.diagonal().mean() * 1e-4
    drawn_ND: Tensor = (mean_D + 0.5 * normal_ND @ torch.linalg.cholesky(covariance_DD).T).float()
    return drawn_ND
