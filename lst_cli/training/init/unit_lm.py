"""Speech language models of slamkit (Maimon et al. 2025): a text model's layers over units alone, as in TWIST.

``config.json`` says ``speech_language_model`` and holds the text model's config; tensors have the prefix ``lm.``. Token
0 is padding, 1 opens and closes an utterance, and units follow from 2, a run of one unit as one token. That is our
layout without text tokens: rows keep their places, and logits are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.errors import UserError
from lst_cli.text.vocabulary import Vocabulary
from lst_cli.training.init.hf_folder import CONFIG_FILE, HfFolder, HfTensors
from lst_cli.training.init.text_model import TextModel, text_model_of
from lst_cli.units.features.hub_models import read_settings

if TYPE_CHECKING:
    from lst_cli.artifacts import Artifact
    from lst_cli.model.model import SpeechTextModel
    from lst_cli.model_artifact.card import ModelCard

MODEL_TYPE = "speech_language_model"
_TOKENISER_FILE = "tokeniser_config.json"
_SPECIALS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
_FIRST_UNIT = 2
_PREFIX = "lm."
_HEAD = "lm_head.weight"


def is_unit_lm(folder: Path) -> bool:
    """Whether a folder holds such a model, by its ``config.json``."""
    return (folder / CONFIG_FILE).is_file() and HfFolder.read_config(folder).get("model_type") == MODEL_TYPE


def read_unit_lm(folder: Path, quantizer: Artifact) -> tuple[TextModel, ModelCard]:
    """The text model inside, and the card of the model that it makes with a quantizer.

    :raises UserError: the layers are of a family that our model can't compute (OPT), tokens are laid out in another
        way, or the quantizer has another number of units.
    """
    from lst_cli.config import from_dict
    from lst_cli.model.model_config import ModelConfig
    from lst_cli.model_artifact.card import ModelCard
    from lst_cli.model_artifact.save import quantizer_entry
    from lst_cli.patching.strategies import PatchingConfig
    from lst_cli.text.tokenizer import JSON_FILE
    from lst_cli.units.quantizer.codebook import CENTROIDS_FILE, Codebook

    raw = HfFolder.read_config(folder)
    base = raw.get("base_config")
    if not isinstance(base, Mapping):
        raise UserError(f"{folder / CONFIG_FILE}: no base_config", expected="the config of the text model inside")
    _check_family(folder, base)
    units = Codebook.read(quantizer.file(CENTROIDS_FILE)).units
    size = raw.get("vocab_size")
    odd = {key: base.get(key, value) for key, value in _SPECIALS.items() if base.get(key, value) != value}
    if size != units + _FIRST_UNIT or odd:
        raise UserError(
            f"{folder}: tokens other than units",
            found=", ".join([f"vocab_size {size}", *(f"{key} {value}" for key, value in odd.items())]),
            expected=f"{units + _FIRST_UNIT}: padding 0, beginning and end 1, and the {units} units of the quantizer",
            fix="give the quantizer that the model was trained with; interleaved models are not supported",
        )
    text = text_model_of(base, folder, _PREFIX)
    # The files are sure about this; a config without the key may mean either.
    shape = {**text.shape, "tied": _HEAD not in HfTensors(text.source)}
    tokeniser = read_settings(folder / _TOKENISER_FILE)
    card = ModelCard(
        architecture=from_dict(ModelConfig, {"family": "baseline", **shape}, str(folder)).check(),
        vocabulary=Vocabulary(pieces=0, units=units, eos=1, specials=()),
        patching=PatchingConfig(strategy="none"),
        quantizer=quantizer_entry(quantizer),
        tokenizer_file=JSON_FILE,
        merges_repeats=bool(tokeniser.get("dedup", True)),
    )
    return text, card


def _check_family(folder: Path, base: Mapping[str, Any]) -> None:
    if base.get("model_type") == "opt":
        raise UserError(
            f"{folder}: layers of OPT are not supported",
            found="model_type opt: learned positions, LayerNorm, ReLU and biases",
            expected="RoPE, RMSNorm and SwiGLU, as in Qwen 2 and Llama",
            fix="import a model that was made from Qwen, such as slprl/slam; score this one with slamkit",
        )


def unit_lm_weights(text: TextModel, card: ModelCard) -> SpeechTextModel:
    """Our baseline with the model's weights, in float32.

    :raises UserError: a tensor is missing or of another shape, or some have no place in the model.
    """
    from lst_cli.model.model import build_model
    from lst_cli.training.init.warm_start import Filling

    model = build_model(card.architecture, card.vocabulary.size)
    filling = Filling(text, dict(model.state_dict()))
    for layer in range(card.architecture.layers):
        filling.layer(f"model.layers.{layer}.", f"global_transformer.layers.{layer}.", card.architecture)
    filling.put("embedding.weight", ["model.embed_tokens.weight"])
    filling.put("norm.weight", ["model.norm.weight"])
    if not card.architecture.tied:
        filling.put("head.weight", [_HEAD])
    left = [name for name in filling.theirs.unused() if not name.endswith("rotary_emb.inv_freq")]
    if left:
        raise UserError(
            f"{text.name}: {len(left)} tensors are not part of the model",
            found=", ".join(left[:3]),
            fix="the weights are not those of the config: download both again",
        )
    model.load_state_dict(filling.state)
    return model
