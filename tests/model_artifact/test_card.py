"""A model artifact holds everything, gives equal logits after loading, and names what is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.model.batch import make_batch
from lst_cli.model.model_config import ModelConfig
from lst_cli.model_artifact.card import load_model, read_card
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.patching.strategies import FITTED, Patcher, PatchingConfig
from lst_cli.patching.stream import TokenStream
from tests.inference.models import UNITS, baseline_config, latent_config, model_artifact, random_model, vocabulary
from tests.model.rules import fitted_rules


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    config = latent_config()
    return model_artifact(Store(tmp_path), "m", config, random_model(config))


@pytest.mark.parametrize("config", [baseline_config(), latent_config()], ids=["baseline", "lst"])
def test_round_trip_gives_equal_logits(tmp_path: Path, config: ModelConfig) -> None:
    model = random_model(config).eval()
    loaded = load_model(model_artifact(Store(tmp_path), "m", config, model))
    words = vocabulary()
    tokens = np.array([words.s_marker, *range(words.speech_start, words.speech_start + 9), words.eos], np.int32)
    card = loaded.card
    assert card.architecture == config and card.vocabulary == words
    packed = pack_documents([Document(tokens=tokens)], words, card.patcher, card.cut)
    batch = make_batch(packed, config, words, loaded.device)
    with torch.no_grad():
        assert torch.equal(loaded.model.logits(batch), model.logits(batch))
    assert not loaded.model.training
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("the cat")) == "the cat"
    assert loaded.quantizer_file.is_file() and loaded.tokenizer_file.is_file()


@pytest.mark.parametrize("strategy", ["static", "aligned", "mixed", "curriculum"])
def test_inference_is_static(tmp_path: Path, strategy: str) -> None:
    config = latent_config()
    patching = PatchingConfig(strategy=strategy, size=6)  # type: ignore[arg-type]
    card = read_card(model_artifact(Store(tmp_path), "m", config, random_model(config), patching))
    assert card.cut == "static" and card.patching == patching


@pytest.mark.parametrize("strategy", ["random", *FITTED])
def test_a_rule_without_an_aligner_is_that_of_inference_too(tmp_path: Path, strategy: str) -> None:
    config = latent_config()
    patching = PatchingConfig(strategy=strategy)  # type: ignore[arg-type]
    artifact = model_artifact(Store(tmp_path), "m", config, random_model(config), patching)
    card = read_card(artifact)
    assert card.cut == strategy
    assert (artifact.path / "patching_rule.safetensors").is_file() == (strategy in FITTED)
    stream = TokenStream(unit_T=np.random.default_rng(0).integers(0, UNITS, 200), document_T=np.zeros(200, int))
    own = Patcher(patching, fitted_rules(UNITS).get(strategy)).patch(stream, card.cut)
    assert (card.patcher.patch(stream, card.cut).opens_T == own.opens_T).all()
    assert (card.rule.patch(stream).closes_T == own.closes_T).all()


@pytest.mark.parametrize("strategy", list(FITTED))
def test_a_damaged_rule_is_named(tmp_path: Path, strategy: str) -> None:
    config = latent_config()
    patching = PatchingConfig(strategy=strategy)  # type: ignore[arg-type]
    artifact = model_artifact(Store(tmp_path), "m", config, random_model(config), patching)
    path = artifact.file("patching_rule.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a patching rule"):
        load_model(artifact)


def test_a_baseline_has_no_patches(tmp_path: Path) -> None:
    config = baseline_config()
    assert read_card(model_artifact(Store(tmp_path), "m", config, random_model(config))).cut == "none"


def test_the_card_names_the_quantizer(artifact: Artifact) -> None:
    quantizer = read_card(artifact).quantizer
    assert quantizer["reference"].startswith("quantizer/q/")
    assert quantizer["config"]["features"]["kind"] == "mfcc"


def test_truncated_weights_are_named(artifact: Artifact) -> None:
    path = artifact.file("model.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model\.safetensors: not a whole"):
        load_model(artifact)


def test_weights_of_another_architecture_are_refused(artifact: Artifact) -> None:
    path = artifact.file("model.json")
    card = json.loads(path.read_text())
    card["architecture"]["layers"] += 1
    path.write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"model\.safetensors"):
        load_model(artifact)


@pytest.mark.parametrize("text", ["{", "{}", '{"architecture": {"layer": 3}}', "[]"])
def test_a_damaged_card_is_named(artifact: Artifact, text: str) -> None:
    artifact.file("model.json").write_text(text)
    with pytest.raises(UserError, match=r"model\.json"):
        load_model(artifact)


def test_another_tokenizer_is_refused(artifact: Artifact) -> None:
    from lst_cli.text.tokenizer import fit

    artifact.file("tokenizer.model").write_bytes(fit(["some other text of a few words"] * 9, 275))
    with pytest.raises(UserError, match="275 text tokens"):
        load_model(artifact)


def test_a_missing_file_is_named(artifact: Artifact) -> None:
    artifact.file("tokenizer.model").unlink()
    with pytest.raises(UserError, match=r"tokenizer\.model is missing"):
        load_model(artifact)
