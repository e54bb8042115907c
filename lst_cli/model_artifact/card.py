"""The ``model`` artifact: everything that inference needs, in one folder.

``model.safetensors`` holds the weights, ``model.json`` the :class:`ModelCard`, ``tokenizer.model`` or
``tokenizer.json`` the text tokens and ``quantizer.safetensors`` the centroids, so that a model reads text and speech
without the artifacts it was made from. ``patching_rule.safetensors`` exists if patches are formed by a rule that was
learnt from data, ``speech_bpe.model`` where the model takes speech tokens merged by a BPE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Kind
from lst_cli.distributed.device import Precision
from lst_cli.errors import UserError
from lst_cli.json_text import parse_json

if TYPE_CHECKING:
    import torch

    from lst_cli.model.model import SpeechTextModel
    from lst_cli.model.model_config import ModelConfig
    from lst_cli.patching.strategies import Cut, Patcher, PatchingConfig
    from lst_cli.patching.stream import Rule
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.text.tokenizer import TextTokenizer
    from lst_cli.text.vocabulary import Vocabulary

MODEL = Kind("model", 1)

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"
QUANTIZER_FILE = "quantizer.safetensors"

SPEECH_BPE_FILE = "speech_bpe.model"

_ALWAYS = (WEIGHTS_FILE, CARD_FILE, QUANTIZER_FILE)


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The contents of ``model.json``."""

    architecture: ModelConfig
    vocabulary: Vocabulary
    patching: PatchingConfig
    """As in training; inference uses :attr:`cut`."""
    quantizer: Mapping[str, Any]
    """The quantizer's ``reference``, ``fingerprint`` and ``config``."""
    patching_rule: Mapping[str, Any] | None = None
    """The fitted patching rule's ``reference`` and ``fingerprint``; None if the strategy has none."""
    fitted: Rule | None = None
    """The rule itself, which is in a separate file."""
    speech_bpe: Mapping[str, Any] | None = None
    """The speech BPE's ``reference`` and ``fingerprint``; None where every speech token is a token of the model."""
    tokenizer_file: str = "tokenizer.model"
    """Name of the text tokenizer's file."""
    merges_repeats: bool = False
    """Whether a run of one speech token is one token of the model (imported models)."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that make the model, inside and outside of an artifact root."""
        from lst_cli.patching_rules.rule_artifact import RULE_FILE

        always = (*_ALWAYS, self.tokenizer_file)
        parts = ((RULE_FILE, self.patching_rule), (SPEECH_BPE_FILE, self.speech_bpe))
        return (*always, *(name for name, entry in parts if entry is not None))

    @property
    def cut(self) -> Cut:
        """How inference cuts speech into patches: without an aligner (Lu et al. 2025, section 3.1)."""
        from lst_cli.patching.strategies import inference_cut

        return "none" if self.architecture.local is None else inference_cut(self.patching)

    @property
    def patcher(self) -> Patcher:
        """The patcher of speech."""
        from lst_cli.patching.strategies import Patcher

        return Patcher(self.patching, self.fitted)

    @property
    def rule(self) -> Rule:
        """The patching rule of speech in decoding."""
        return self.patcher.rule(self.cut)


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model ready for inference alone, on its device, in evaluation mode."""

    model: SpeechTextModel
    card: ModelCard
    tokenizer: TextTokenizer
    speech: SpeechCodec
    """Between the quantizer's speech tokens and the model's token ids."""
    folder: Path
    device: torch.device
    parameters: int = 0
    """Of the model as it was saved; inference packs linear weights, which torch then does not count."""

    @property
    def quantizer_file(self) -> Path:
        """The centroids, in the format of a ``quantizer`` artifact."""
        return self.folder / QUANTIZER_FILE

    @property
    def tokenizer_file(self) -> Path:
        """The text tokenizer's file."""
        return self.folder / self.card.tokenizer_file


def read_card(artifact: Artifact) -> ModelCard:
    """The card of a model artifact, without loading weights.

    :raises UserError: ``model.json`` is missing or damaged.
    """
    return read_card_file(artifact.file(CARD_FILE), artifact.reference)


def read_card_file(path: Path, name: str) -> ModelCard:
    """The card in a ``model.json``; ``name`` is what errors call the model.

    :raises UserError: the file is damaged.
    """
    from lst_cli.config import from_dict
    from lst_cli.model.model_config import ModelConfig
    from lst_cli.patching.strategies import PatchingConfig
    from lst_cli.patching_rules.rule_artifact import RULE_FILE, read_rule
    from lst_cli.text.tokenizer import MODEL_FILE
    from lst_cli.text.vocabulary import Vocabulary

    try:
        data = parse_json(path.read_text(encoding="utf-8"))
        return ModelCard(
            architecture=from_dict(ModelConfig, data["architecture"], str(path)),
            vocabulary=Vocabulary(**data["vocabulary"]),
            patching=from_dict(PatchingConfig, data["patching"], str(path)),
            quantizer=data["quantizer"],
            patching_rule=data.get("patching_rule"),
            fitted=read_rule(path.with_name(RULE_FILE)) if "patching_rule" in data else None,
            speech_bpe=data.get("speech_bpe"),
            tokenizer_file=_known_tokenizer(data.get("tokenizer_file", MODEL_FILE)),
            merges_repeats=data.get("merges_repeats", False),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(name, path, error) from None


def _known_tokenizer(name: str) -> str:
    from lst_cli.text.tokenizer import TOKENIZER_FILES

    if name not in TOKENIZER_FILES:
        raise ValueError(f"tokenizer_file {name!r}")
    return name


def load_model(artifact: Artifact, device: str = "cpu", precision: Precision | None = None) -> LoadedModel:
    """Load a model artifact for inference.

    :param precision: of weights and arithmetic; by default that in which the weights were saved.
    :raises UserError: a file is missing or damaged, or the weights are not those of the architecture.
    """
    for name in read_card(artifact).files:
        artifact.file(name)
    return load_folder(artifact.path, artifact.reference, device, precision)


def load_folder(folder: Path, name: str, device: str = "cpu", precision: Precision | None = None) -> LoadedModel:
    """Load a model from the folder that holds its files; ``name`` is what errors call it.

    :raises UserError: a file is damaged, or the weights are not those of the architecture.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lst_cli.finite import check_finite_weights
    from lst_cli.model.decode.inference_weights import pack
    from lst_cli.model.model import build_model
    from lst_cli.text.tokenizer import TextTokenizer

    card = read_card_file(folder / CARD_FILE, name)
    path = folder / WEIGHTS_FILE
    with torch.device("meta"):
        model = build_model(card.architecture, card.vocabulary.size)
    try:
        model.load_state_dict(load_file(path, device=device), assign=True)
        model.tie()
    except (SafetensorError, RuntimeError) as error:
        raise _damaged(name, path, error) from None
    check_finite_weights(model.state_dict(), name)
    if precision is not None:
        model = model.to(getattr(torch, precision))
    parameters = sum(each.numel() for each in model.parameters())
    pack(model)
    tokenizer = TextTokenizer.from_file(folder / card.tokenizer_file)
    if tokenizer.pieces != card.vocabulary.pieces:
        raise UserError(
            f"{name}: {card.tokenizer_file} is not the model's tokenizer",
            found=f"{tokenizer.pieces} text tokens",
            expected=f"{card.vocabulary.pieces} text tokens",
            fix="'lst artifact verify' checks whether an artifact is whole",
        )
    return LoadedModel(
        model=model.eval(),
        card=card,
        tokenizer=tokenizer,
        speech=load_speech(folder, card, name),
        folder=folder,
        device=torch.device(device),
        parameters=parameters,
    )


def load_speech(folder: Path, card: ModelCard, name: str) -> SpeechCodec:
    """How a model takes speech, from the folder that holds its files; ``name`` is what errors call it.

    :raises UserError: the speech BPE is missing, damaged or another one.
    """
    from lst_cli.text.speech_bpe import SpeechBpe
    from lst_cli.text.speech_codec import SpeechCodec

    if card.speech_bpe is None:
        return SpeechCodec(card.vocabulary, merges_repeats=card.merges_repeats)
    bpe = SpeechBpe.from_file(folder / SPEECH_BPE_FILE)
    if bpe.pieces != card.vocabulary.units:
        raise UserError(
            f"{name}: {SPEECH_BPE_FILE} is not the model's speech BPE",
            found=f"{bpe.pieces} pieces",
            expected=f"{card.vocabulary.units} pieces",
            fix="'lst artifact verify' checks whether an artifact is whole",
        )
    return SpeechCodec(card.vocabulary, bpe)


def _damaged(name: str, path: Path, error: Exception) -> UserError:
    return UserError(
        f"{name}: {path.name}: not a whole file",
        found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        fix="'lst artifact verify' names damaged files; remove the artifact and make it again",
    )
