"""The artifacts that a model is pretrained from, and checks that they fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact
from lst_cli.errors import UserError
from lst_cli.training.config.pretrain_config import PretrainConfig
from lst_cli.training.config.train_config import check_every, refuse

if TYPE_CHECKING:
    from lst_cli.evaluation.stories_in_training import Stories
    from lst_cli.patching.stream import Rule
    from lst_cli.shards.documents.forms import Source
    from lst_cli.shards.read.reader import ReaderConfig
    from lst_cli.shards.shard_rows import SpanUnit
    from lst_cli.text.speech_bpe import SpeechBpe
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.training.init.initial_model import InitialModel

CENTROIDS_FILE = "centroids.safetensors"

_ALIGNED = ("aligned", "mixed", "curriculum")
"""Strategies that cut patches by alignment."""


@dataclass(frozen=True, kw_only=True)
class PretrainInputs:
    """The artifacts that a model is pretrained from."""

    speech: Sequence[Artifact]
    """Speech shards, read in this order."""
    text: Sequence[Artifact]
    """Text shards; may be none."""
    valid: Sequence[Artifact]
    """Held-out speech or text shards; may be none."""
    tokenizer: Artifact
    quantizer: Artifact
    speech_bpe: Artifact | None = None
    """Merges speech tokens, for a baseline (the paper's BPE SpeechLLM)."""
    patching_rule: Artifact | None = None
    """The rule of ``patching.strategy``, if it is learnt from data."""
    stories: Stories | None = None
    """Stories to score at every validation."""
    init: InitialModel | None = None
    """The model that initialises the weights."""

    @property
    def validates(self) -> bool:
        """Whether there is anything to validate on."""
        return bool(self.valid) or self.stories is not None

    @property
    def speech_bpe_file(self) -> Path | None:
        """The SentencePiece model over speech tokens."""
        from lst_cli.text.speech_bpe import MODEL_FILE

        return None if self.speech_bpe is None else self.speech_bpe.file(MODEL_FILE)

    @property
    def fitted_rule(self) -> Rule | None:
        """The rule of ``patching.strategy``, if it is learnt from data."""
        from lst_cli.patching_rules.rule_artifact import RULE_FILE, read_rule

        return None if self.patching_rule is None else read_rule(self.patching_rule.file(RULE_FILE))

    @property
    def tokenizer_file(self) -> Path:
        """The text tokenizer's file."""
        from lst_cli.text.tokenizer import artifact_file

        return artifact_file(self.tokenizer)

    @property
    def centroids_file(self) -> Path:
        """The quantizer's centroids."""
        return self.quantizer.file(CENTROIDS_FILE)

    @property
    def parents(self) -> dict[str, Artifact]:
        """By role, as the model's manifest names them."""
        roles = {"tokenizer": self.tokenizer, "quantizer": self.quantizer}
        if self.speech_bpe is not None:
            roles["speech_bpe"] = self.speech_bpe
        if self.patching_rule is not None:
            roles["patching_rule"] = self.patching_rule
        if self.init is not None and self.init.artifact is not None:
            roles["init"] = self.init.artifact
        if self.stories is not None and self.stories.tokens is not None:
            roles["stories_tokens"] = self.stories.tokens
        for role, artifacts in (
            ("shards", self.speech),
            ("text_shards", self.text),
            ("valid_shards", self.valid),
        ):
            for number, artifact in enumerate(artifacts):
                roles[role if number == 0 else f"{role}_{number + 1}"] = artifact
        return roles


def open_sources(config: PretrainConfig, inputs: PretrainInputs) -> tuple[list[Source], SpeechCodec]:
    """The sources of the mixture, and the codec of their speech for the vocabulary they share.

    :raises UserError: shards are damaged, or don't fit together.
    """
    from lst_cli.shards.documents.forms import Source
    from lst_cli.shards.shard_set import ShardSet
    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.text.tokenizer import TextTokenizer
    from lst_cli.text.vocabulary import Vocabulary

    data = config.data
    sources = []
    for name, artifacts, weight in (
        ("speech", inputs.speech, data.speech_weight),
        ("text", inputs.text, data.text_weight),
    ):
        if artifacts:
            shards = ShardSet.of(*artifacts, skip_corrupt=config.run.skip_corrupt, cache_gib=config.run.cache_gib)
            form = data.speech_form if name == "speech" else None
            sources.append(Source(name, shards, weight=weight, form=form, spans=_spans(config)))
    info = sources[0].shards.info
    _check_parents(inputs, info.tokenizer, info.units)
    bpe = _speech_bpe(inputs, info.units)
    vocabulary = Vocabulary(
        pieces=info.pieces,
        units=info.units if bpe is None else bpe.pieces,
        eos=info.eos,
        specials=TextTokenizer.from_file(inputs.tokenizer_file).specials,
    )
    return sources, SpeechCodec(vocabulary, bpe)


def _speech_bpe(inputs: PretrainInputs, units: int) -> SpeechBpe | None:
    from lst_cli.text.speech_bpe import SpeechBpe

    if inputs.speech_bpe is None or inputs.speech_bpe_file is None:
        return None
    bpe = SpeechBpe.from_file(inputs.speech_bpe_file)
    if bpe.units != units:
        raise UserError(
            f"{inputs.speech_bpe.reference}: trained on other speech tokens than the shards'",
            found=f"{bpe.units} units",
            expected=f"{units} units",
            fix="train one on these shards with 'lst shards bpe'",
        )
    return bpe


def open_validation(config: PretrainConfig, inputs: PretrainInputs) -> list[Source]:
    """A source for each modality of the validation shards.

    :raises UserError: shards are damaged.
    """
    from lst_cli.shards.documents.forms import Source
    from lst_cli.shards.shard_set import ShardSet

    opening = partial(ShardSet.of, skip_corrupt=config.run.skip_corrupt, cache_gib=config.run.cache_gib)
    opened = [opening(artifact) for artifact in inputs.valid]
    sources = []
    for modality, form in (("speech", config.data.speech_form), ("text", None)):
        chosen = [artifact for artifact, s in zip(inputs.valid, opened, strict=True) if s.modality == modality]
        if chosen:
            sources.append(Source(modality, opening(*chosen), form=form, spans=_spans(config)))
    return sources


def _spans(config: PretrainConfig) -> SpanUnit:
    """What aligned patches follow; words where none are cut, for shards that lack the borders of text tokens."""
    return config.patching.spans if config.patching.strategy in _ALIGNED else "word"


def _check_parents(inputs: PretrainInputs, tokenizer: str, units: int) -> None:
    from safetensors import safe_open

    digest = sha256(inputs.tokenizer_file.read_bytes()).hexdigest()
    if digest != tokenizer:
        raise UserError(
            f"{inputs.tokenizer.reference}: not the tokenizer that the shards were made with",
            found=f"sha256 {digest[:12]}",
            expected=f"sha256 {tokenizer[:12]}",
            fix="give the shards' own tokenizer with --tokenizer",
        )
    with safe_open(inputs.centroids_file, framework="np") as file:
        clusters = int(file.get_slice("centroids").get_shape()[0])
    if clusters != units:
        raise UserError(
            f"{inputs.quantizer.reference}: not the quantizer that the shards were made with",
            found=f"{clusters} clusters",
            expected=f"{units} clusters",
            fix="give the shards' own quantizer with --quantizer",
        )


def check_inputs(config: PretrainConfig, inputs: PretrainInputs) -> None:
    """Refuse a config that needs what the inputs lack.

    :raises UserError: the patching needs an alignment that the shards lack, or the inputs don't fit the config.
    """
    for artifacts, modality, option in ((inputs.speech, "speech", "--shards"), (inputs.text, "text", "--text-shards")):
        for artifact in artifacts:
            found = artifact.config.get("modality", modality)
            if found != modality:
                raise UserError(
                    f"{option} {artifact.reference}: not {modality} shards",
                    found=f"{found} shards",
                    fix="give speech shards with --shards and text shards with --text-shards",
                )
    if inputs.speech_bpe is not None and config.patching.strategy != "none":
        raise UserError(
            f"--speech-bpe {inputs.speech_bpe.reference}: only a baseline reads merged speech tokens",
            found=f"model.architecture: {config.model.architecture}, which groups speech tokens into patches itself",
            expected="a baseline",
            fix="set model.architecture to a baseline, or remove --speech-bpe",
        )
    _check_rule(config, inputs.patching_rule)
    if inputs.init is not None:
        inputs.init.check(inputs.tokenizer_file, inputs.quantizer, inputs.speech_bpe)
    if inputs.validates:
        refuse(check_every("validation.every", config.validation.every, config.log_every))
    needs = config.patching.strategy in _ALIGNED
    lacking = [shards for shards in inputs.speech if "tokens" in shards.parents and "alignment" not in shards.parents]
    if needs and lacking:
        raise UserError(
            f"patching.strategy: {config.patching.strategy} needs aligned words",
            found=f"made without an alignment: {', '.join(shards.reference for shards in lacking)}",
            fix="make the shards with 'lst shards speech --alignment ...', or set patching.strategy=static",
        )


def _check_rule(config: PretrainConfig, rule: Artifact | None) -> None:
    """Refuse a strategy without its rule, and a rule without its strategy."""
    from lst_cli.patching.strategies import FITTED

    strategy = config.patching.strategy
    if rule is None and strategy in FITTED:
        raise UserError(
            f"patching.strategy: {strategy} needs a fitted rule",
            fix=f"make one with 'lst patching fit {strategy} …' and name it with --patching-rule",
        )
    if rule is not None and rule.config["strategy"] != strategy:
        raise UserError(
            f"--patching-rule {rule.reference}: not a rule of patching.strategy: {strategy}",
            found=f"a rule of {rule.config['strategy']}",
            fix=f"set patching.strategy={rule.config['strategy']}, or remove --patching-rule",
        )


def reader_config(config: PretrainConfig) -> ReaderConfig:
    """The config of the shards' reader."""
    from lst_cli.shards.read.reader import ReaderConfig

    data = config.data
    return ReaderConfig(
        positions=data.positions,
        global_batch_size=data.global_batch_size,
        streams=data.streams,
        seed=config.seed,
        interleave=data.interleave,
        prefetch=config.run.prefetch,
        skip_corrupt=config.run.skip_corrupt,
    )
