"""config.json and generation_config.json of an exported model: what ``modeling_lst.py`` needs to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lst_cli.errors import UserError

if TYPE_CHECKING:
    from lst_cli.model.model_config import BlockConfig, LocalConfig, ModelConfig
    from lst_cli.model_artifact.card import ModelCard

MODELING_FILE = "modeling_lst.py"


def hf_config(card: ModelCard, dtype: str, name: str) -> dict[str, Any]:
    """The contents of config.json.

    :param dtype: of the weights, as torch names it.
    :param name: what errors call the model.
    :raises UserError: its patches close when the next token is known, or are cut by another rule than static ones.
    """
    shape, vocabulary = card.architecture, card.vocabulary
    if shape.local is not None and card.patching.boundaries == "given":
        raise UserError(
            f"{name}: its logits depend on the next token",
            found="patching.boundaries: given",
            expected="a model with causal boundaries: transformers' generate does not have the next token",
            fix="train one with patching.boundaries: causal; to move this model, copy its folder "
            "(the folder of an artifact is a reference)",
        )
    if card.cut not in ("static", "none"):
        raise UserError(
            f"{name}: the modelling file for transformers supports static patches only",
            found=f"patching.strategy: {card.patching.strategy}, whose rule is also used in decoding",
            expected="static patches in decoding: strategies static, aligned, mixed and curriculum",
            fix="to move this model, copy its folder: 'lst import' reads the copy",
        )
    module = MODELING_FILE.removesuffix(".py")
    return {
        "architectures": ["LstForCausalLM"],
        "auto_map": {"AutoConfig": f"{module}.LstConfig", "AutoModelForCausalLM": f"{module}.LstForCausalLM"},
        "model_type": "lst",
        "dtype": dtype,
        "torch_dtype": dtype,  # transformers before 4.56
        "tie_word_embeddings": shape.tied,
        "eos_token_id": vocabulary.eos,
        "pad_token_id": vocabulary.eos,
        "text_tokens": vocabulary.pieces,
        "speech_tokens": vocabulary.units,
        "special_tokens": list(vocabulary.specials),
        "patch_size": card.patching.size if card.cut == "static" else 1,
        "global_layers": _global_layers(shape),
        "local_layers": None if shape.local is None else _local_layers(shape.local, shape.rope_theta),
    }


def generation_config(card: ModelCard) -> dict[str, Any]:
    """The contents of generation_config.json: greedy, to the end of the document, without a cache."""
    eos = card.vocabulary.eos
    return {"do_sample": False, "eos_token_id": eos, "pad_token_id": eos, "use_cache": False}


def _global_layers(shape: ModelConfig) -> dict[str, Any]:
    from lst_cli.model.layers import frequencies

    found, factor = frequencies(shape.head_dim, shape.rope_theta, shape.rope_scaling)
    return {
        "layers": shape.layers,
        **_block(shape.dim, shape.heads, shape.block),
        "rope_frequencies": found.tolist(),
        "rope_factor": factor,
    }


def _local_layers(local: LocalConfig, theta: float) -> dict[str, Any]:
    from lst_cli.model.layers import frequencies
    from lst_cli.model.model_config import BlockConfig

    return {
        "encoder_layers": local.encoder_layers,
        "decoder_layers": local.decoder_layers,
        **_block(local.dim, local.heads, BlockConfig()),
        "rope_frequencies": frequencies(local.dim // local.heads, theta)[0].tolist(),
        "rope_factor": 1.0,
        "window": local.window,
        "cross_window": local.cross_window,
        "encoder_cross_window": local.pooled_patches,
        "text_bypass": local.text == "bypass",
    }


def _block(dim: int, heads: int, block: BlockConfig) -> dict[str, Any]:
    """Shape of a layer, with the defaults filled in."""
    from lst_cli.model.model_config import ffn_dim

    return {
        "dim": dim,
        "heads": heads,
        "kv_heads": block.kv_heads or heads,
        "head_dim": block.head_dim or dim // heads,
        "ffn_dim": block.ffn_dim or ffn_dim(dim),
        "norm_eps": block.norm_eps,
        "qkv_bias": block.qkv_bias,
        "qk_norm": block.qk_norm,
    }
