"""A text model in Hugging Face's layout, as a source of initial weights: its family, shape and tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.errors import UserError
from lst_cli.training.init.hf_folder import CONFIG_FILE, HfFolder
from lst_cli.training.init.overrides import over, refuse_others
from lst_cli.training.init.same_tokens import check_same_tokens

if TYPE_CHECKING:
    from torch import Tensor

    from lst_cli.artifacts import Artifact
    from lst_cli.model.model_config import ModelConfig
    from lst_cli.text.vocabulary import Vocabulary
    from lst_cli.training.config.train_config import ModelSection
    from lst_cli.training.init.initial_model import Mapped

_QKV_BIAS = {"llama": False, "mistral": False, "qwen2": True, "qwen3": False}
"""The families that the global transformer can compute, by ``model_type``, and whether queries, keys and values have a
bias. SmolLM and SmolLM2 say ``llama``."""

_ROPE = ("rope_parameters", "rope_scaling")
"""Where transformers keeps what rotary positions need, from version 5 on and before."""

_ANOTHER = "start from another text model, such as HuggingFaceTB/SmolLM2-135M"


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """A text model to begin from."""

    source: HfFolder
    config: Mapping[str, Any]
    """Of transformers, with its defaults filled in."""
    shape: Mapping[str, Any]
    """Fields of :class:`ModelConfig` that are the text model's."""

    @property
    def name(self) -> str:
        """Its name in messages."""
        return str(self.source.folder)

    @property
    def identity(self) -> dict[str, str]:
        """Its part of a run's identity."""
        return {"sha256": self.source.sha256}

    artifact: Artifact | None = None
    """It is none."""

    @property
    def begin(self) -> int | None:
        """The token that opens a document there: its beginning of sequence, else what closes a document."""
        for key in ("bos_token_id", "eos_token_id"):
            value = self.config.get(key)
            value = value[0] if isinstance(value, list) and value else value
            if isinstance(value, int):
                return value
        return None

    def section(self, section: ModelSection) -> ModelSection:
        """The model to train, with a global transformer of the text model's shape.

        An LST keeps its number of queries per patch, so its local width follows the global one. Where its text bypasses
        the local layers, the local width is the global one: text is then computed as by the text model.

        :raises UserError: ``model.overrides`` has another shape.
        """
        import dataclasses

        from lst_cli.config import to_dict
        from lst_cli.model.architectures import architecture

        base = architecture(section.architecture)
        shape = dict(self.shape)
        if base.local is not None:
            asked = over(to_dict(base.local), section.overrides.get("local") or {})
            bypass = asked.get("text") == "bypass"
            width = shape["dim"] if bypass else shape["dim"] // base.queries
            shape["local"] = {"dim": width, "heads": _heads(width, base.local.heads)}
            if not bypass:
                del shape["tied"]
        refuse_others(section.overrides, {key: value for key, value in shape.items() if key != "local"}, self.name)
        return dataclasses.replace(section, overrides=over(shape, section.overrides))

    def check(self, tokenizer: Path, quantizer: Artifact | None = None, speech_bpe: Artifact | None = None) -> None:
        """Refuse a text model whose text tokens are not those of the shards; it has no speech tokens.

        :raises UserError: there is no tokenizer next to the weights, or it differs.
        """
        check_same_tokens(self.source.folder, tokenizer)

    def weights(self, config: ModelConfig, vocabulary: Vocabulary, seed: int) -> tuple[dict[str, Tensor], list[Mapped]]:
        """See :func:`warm_start.initial_weights`."""
        from lst_cli.training.init.warm_start import initial_weights

        return initial_weights(self, config, vocabulary, seed)


def _heads(width: int, most: int) -> int:
    return next(heads for heads in range(most, 0, -1) if width % heads == 0 and width // heads % 2 == 0)


def read_text_model(folder: Path) -> TextModel:
    """Read a text model's config, and find and hash its weights.

    :raises UserError: the folder holds no such model, one that is quantised or an adapter, or one of another family.
    """
    return text_model_of(HfFolder.read_config(folder), folder)


def text_model_of(raw: Mapping[str, Any], folder: Path, prefix: str = "") -> TextModel:
    """A text model from its config, and the weights in a folder.

    :param prefix: of its tensors' names, where it is a part of another model.
    :raises UserError: it is of another family, or has no weights.
    """
    family = raw.get("model_type")
    if family not in _QKV_BIAS:
        raise UserError(
            f"{folder}: text models of this family are not supported",
            found=f"model_type {family}",
            expected=f"one of {', '.join(_QKV_BIAS)} (SmolLM2 is a llama)",
            fix=_ANOTHER,
        )
    config = _with_defaults(folder, raw)
    problems = [*_problems(config), *_window_problems(config)]
    scaling, theta = _rope(config, problems)
    if problems:
        raise UserError(
            f"{folder}: the global transformer can't compute this text model",
            found="; ".join(problems),
            expected="full causal attention, SwiGLU without biases, RoPE of type default, linear, llama3 or yarn",
            fix=_advice(config, problems),
        )
    heads = config["num_attention_heads"]
    shape = {
        "layers": config["num_hidden_layers"],
        "dim": config["hidden_size"],
        "heads": heads,
        "rope_theta": theta,
        "rope_scaling": scaling,
        "block": {
            "kv_heads": config.get("num_key_value_heads") or heads,
            "head_dim": config.get("head_dim") or config["hidden_size"] // heads,
            "ffn_dim": config["intermediate_size"],
            "norm_eps": config["rms_norm_eps"],
            "qkv_bias": _QKV_BIAS[family],
            "qk_norm": family == "qwen3",
        },
        "tied": bool(config.get("tie_word_embeddings")),
    }
    return TextModel(source=HfFolder.open(folder, prefix), config=config, shape=shape)


def _with_defaults(folder: Path, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that are missing are those that transformers takes for granted."""
    from transformers import CONFIG_MAPPING

    try:
        defaults: dict[str, Any] = CONFIG_MAPPING[raw["model_type"]](**raw).to_dict()
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise UserError(f"{folder / 'config.json'}: not a config that transformers reads", found=str(error)) from None
    return {**defaults, **raw}


def _problems(config: Mapping[str, Any]) -> list[str]:
    problems = []
    counts = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "num_key_value_heads")
    for key in (*counts, "head_dim"):
        value = config.get(key)
        if not (isinstance(value, int) and value > 0) and not (
            value is None and key in ("num_key_value_heads", "head_dim")
        ):
            problems.append(f"{key} {value!r} is not a positive number")
    heads, shared = config.get("num_attention_heads"), config.get("num_key_value_heads")
    if not problems and shared and heads % shared:
        problems.append(f"num_key_value_heads {shared} does not divide num_attention_heads {heads}")
    for key, wanted in (("hidden_act", "silu"), ("attention_bias", False), ("mlp_bias", False)):
        value = config.get(key, wanted)
        if value != wanted:
            problems.append(f"{key} {value!r}")
    if config.get("partial_rotary_factor", 1.0) != 1.0:
        problems.append(f"partial_rotary_factor {config['partial_rotary_factor']}")
    return problems


def _window_problems(config: Mapping[str, Any]) -> list[str]:
    """Layers with a window: all of Mistral's; of Qwen's those of ``layer_types``, if ``use_sliding_window``."""
    if config["model_type"] == "mistral":
        slides = True
    else:
        slides = bool(config.get("use_sliding_window")) and "sliding_attention" in (config.get("layer_types") or ())
    window = config.get("sliding_window")
    return [f"sliding_window {window}"] if slides and window is not None else []


def _advice(config: Mapping[str, Any], problems: list[str]) -> str:
    if len(problems) == 1 and problems[0].startswith("sliding_window"):
        key = "sliding_window to null" if config["model_type"] == "mistral" else "use_sliding_window to false"
        return (
            f"for documents of up to {config['sliding_window']} positions the window makes no difference: to train on "
            f"those, set {key} in {CONFIG_FILE}"
        )
    return _ANOTHER


def _rope(config: Mapping[str, Any], problems: list[str]) -> tuple[dict[str, Any] | None, float]:
    """Fields of :class:`RopeScaling`, none for plain RoPE, and the base; what can't be computed joins the problems."""
    rope: Mapping[str, Any] = next((config[key] for key in _ROPE if config.get(key)), {})
    theta = float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0)
    kind = rope.get("rope_type", rope.get("type", "default"))
    original = rope.get("original_max_position_embeddings") or config.get("max_position_embeddings")
    if kind == "default":
        return None, theta
    scaling = {"kind": kind, "factor": rope.get("factor")}
    if kind == "llama3":
        scaling |= {"low": rope.get("low_freq_factor"), "high": rope.get("high_freq_factor")}
    elif kind == "yarn":
        scaling |= {"low": rope.get("beta_slow") or 1.0, "high": rope.get("beta_fast") or 32.0}
    elif kind != "linear":
        problems.append(f"rope_type {kind}")
        return None, theta
    if kind != "linear":
        scaling["original_positions"] = original
    lacking = [key for key, value in scaling.items() if value is None]
    odd = [key for key in ("mscale", "mscale_all_dim") if rope.get(key)]
    odd += ["truncate"] if rope.get("truncate") is False else []
    if lacking or odd:
        problems.append(f"rope_type {kind} " + ", ".join([*(f"without {key}" for key in lacking), *odd]))
    if kind == "yarn" and rope.get("attention_factor"):
        scaling["attention_factor"] = rope["attention_factor"]
    return scaling, theta
