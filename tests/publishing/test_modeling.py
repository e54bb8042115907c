"""The modelling file that exports carry gives the logits of the model itself, whatever the options."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lst_cli.errors import UserError
from lst_cli.inference.generate import allowed_tokens
from lst_cli.model.architectures import ARCHITECTURES
from lst_cli.model.batch import make_batch
from lst_cli.model.decode.decoding import DecodingState
from lst_cli.model.model import SpeechTextModel, build_model
from lst_cli.model.model_config import BlockConfig, LocalConfig, ModelConfig, RopeScaling
from lst_cli.model_artifact.card import ModelCard
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.patching.strategies import PatchingConfig
from lst_cli.publishing.hf_config import hf_config
from lst_cli.publishing.modeling_lst import LstConfig, LstForCausalLM
from lst_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(pieces=20, units=11)
LOCAL = LocalConfig(
    dim=16, heads=2, encoder_layers=1, decoder_layers=2, window=6, cross_window=3, encoder_cross_window=1
)
LST = ModelConfig(family="lst", layers=2, dim=32, heads=4, local=LOCAL)
BASELINE = ModelConfig(family="baseline", layers=2, dim=32, heads=4)
QWEN = BlockConfig(kv_heads=2, head_dim=10, ffn_dim=48, norm_eps=1e-6, qkv_bias=True, qk_norm=True)


def local(**changes: Any) -> ModelConfig:
    return dataclasses.replace(LST, local=dataclasses.replace(LOCAL, **changes))


MODELS = {
    "lst": LST,
    "deep_encoder": local(encoder_layers=2, encoder_cross_window=2),
    "wide_windows": local(window=512, cross_window=512, encoder_cross_window=None),
    "bypass": local(text="bypass", encoder_layers=2, encoder_cross_window=3),
    "one_query": local(dim=32),
    "identity": local(dim=32, encoder_layers=0, decoder_layers=0),
    "identity_encoder": local(dim=32, encoder_layers=0),
    "identity_decoder": local(dim=32, decoder_layers=0),
    "lst_qwen": dataclasses.replace(LST, block=QWEN, tied=True),
    "bypass_qwen": dataclasses.replace(local(dim=32, text="bypass"), block=QWEN, tied=True),
    "baseline": BASELINE,
    "baseline_qwen": dataclasses.replace(BASELINE, block=QWEN, tied=True),
    "no_layers": dataclasses.replace(BASELINE, layers=0),
    "linear": dataclasses.replace(BASELINE, rope_scaling=RopeScaling(kind="linear", factor=4)),
    "llama3": dataclasses.replace(LST, rope_scaling=RopeScaling(kind="llama3", factor=8, original_positions=16)),
    "yarn": dataclasses.replace(
        BASELINE, rope_scaling=RopeScaling(kind="yarn", factor=4, original_positions=16, high=32)
    ),
    "lst_micro": ARCHITECTURES["lst_micro"],
    "baseline_micro": ARCHITECTURES["baseline_micro"],
}


def card(config: ModelConfig, size: int = 4, **patching: Any) -> ModelCard:
    strategy = "none" if config.local is None else "curriculum"
    return ModelCard(
        architecture=config,
        vocabulary=VOCABULARY,
        patching=PatchingConfig(**{"strategy": strategy, "size": size, **patching}),
        quantizer={},
    )


def both(config: ModelConfig, size: int = 4) -> tuple[SpeechTextModel, Any]:
    """A model with random weights, norms and biases included, and the same in the modelling file."""
    torch.manual_seed(0)
    ours = build_model(config, VOCABULARY.size).eval()
    with torch.no_grad():
        for name, value in ours.named_parameters():
            if value.ndim == 1:
                value.copy_(torch.randn_like(value) * 0.3 + ("norm" in name))
    theirs = LstForCausalLM(LstConfig(**hf_config(card(config, size), "float32", "m"))).eval()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def our_logits(model: SpeechTextModel, tokens: np.ndarray, size: int) -> torch.Tensor:
    entry = card(model.config, size)
    packed = pack_documents([Document(tokens=tokens)], VOCABULARY, entry.patcher, entry.cut)
    with torch.no_grad():
        return model.logits(make_batch(packed, model.config, VOCABULARY, torch.device("cpu")))


def document(seed: int, *segments: tuple[bool, int]) -> np.ndarray:
    """Segments of (is speech, length), each opened by its marker."""
    rng = np.random.default_rng(seed)
    tokens: list[int] = []
    for speech, length in segments:
        low, high = (VOCABULARY.speech_start, VOCABULARY.size) if speech else (3, VOCABULARY.pieces)
        tokens += [VOCABULARY.s_marker if speech else VOCABULARY.t_marker, *rng.integers(low, high, length).tolist()]
    return np.array(tokens, dtype=np.int32)


DOCUMENTS = {
    "text": document(0, (False, 25)),
    "speech": document(1, (True, 39)),
    "interleaved": document(2, (True, 10), (False, 7), (True, 8), (False, 3), (True, 1), (True, 5)),
    "torn": document(3, (True, 12), (False, 4))[3:],
    "marker": document(4, (True, 0)),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_has_the_same_weights(name: str) -> None:
    config = LstConfig(**hf_config(card(ARCHITECTURES[name]), "float32", "m"))
    with torch.device("meta"):
        ours, theirs = build_model(ARCHITECTURES[name], VOCABULARY.size), LstForCausalLM(config)
    shapes = [{key: value.shape for key, value in model.state_dict().items()} for model in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [1, 4])
def test_logits_are_equal(name: str, size: int) -> None:
    ours, theirs = both(MODELS[name], size)
    for tokens in DOCUMENTS.values():
        with torch.no_grad():
            found = theirs(torch.from_numpy(tokens)[None].long()).logits[0]
        torch.testing.assert_close(found, our_logits(ours, tokens, size), atol=1e-5, rtol=0)


@settings(max_examples=30)
@given(
    st.sampled_from(["lst", "bypass", "identity", "deep_encoder"]),
    st.integers(1, 5),
    st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=1, max_size=5),
)
def test_logits_are_equal_for_any_segments(name: str, size: int, segments: list[tuple[bool, int]]) -> None:
    ours, theirs = both(MODELS[name], size)
    tokens = document(0, *segments)
    with torch.no_grad():
        found = theirs(torch.from_numpy(tokens)[None].long()).logits[0]
    torch.testing.assert_close(found, our_logits(ours, tokens, size), atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["lst", "bypass", "baseline"])
def test_padding_changes_nothing(name: str, side: str) -> None:
    _, model = both(MODELS[name])
    rows = [torch.from_numpy(tokens).long() for tokens in DOCUMENTS.values()]
    longest = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), longest, dtype=torch.long), torch.zeros(len(rows), longest)
    places = [slice(longest - len(row), None) if side == "left" else slice(len(row)) for row in rows]
    for number, (row, place) in enumerate(zip(rows, places, strict=True)):
        ids[number, place], mask[number, place] = row, 1
    with torch.no_grad():
        together = model(ids, attention_mask=mask).logits
        for number, (row, place) in enumerate(zip(rows, places, strict=True)):
            torch.testing.assert_close(together[number, place], model(row[None]).logits[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("modality", ["text", "speech"])
@pytest.mark.parametrize("name", ["lst", "bypass", "identity", "baseline_qwen", "llama3"])
def test_greedy_generation_is_equal(name: str, modality: Any) -> None:
    ours, theirs = both(MODELS[name])
    allowed_V = torch.from_numpy(allowed_tokens(VOCABULARY, modality))
    assert sorted({*range(VOCABULARY.size)} - {*allowed_V.nonzero()[:, 0].tolist()}) == theirs.suppressed(modality)
    for prompt in (DOCUMENTS["interleaved"], DOCUMENTS["text"]):
        state = DecodingState(ours, VOCABULARY, card(MODELS[name]).rule, 1)
        expected: list[int] = []
        logits_V = state.feed(np.array([0]), [prompt])[0]
        while len(expected) < 12 and VOCABULARY.eos not in expected:
            expected.append(int(logits_V.masked_fill(~allowed_V, float("-inf")).argmax()))
            logits_V = state.feed(np.array([0]), [np.array(expected[-1:])])[0]
        ids = torch.from_numpy(prompt)[None].long()
        options = {"max_new_tokens": 12, "do_sample": False, "suppress_tokens": theirs.suppressed(modality)}
        for use_cache in (False, True):  # there is no cache: asking for one must not change the answer
            found = theirs.generate(ids, attention_mask=torch.ones_like(ids), use_cache=use_cache, **options)
            assert found[0, len(prompt) :].tolist() == expected


def test_the_loss_has_a_gradient_for_every_weight() -> None:
    _, model = both(MODELS["bypass"])
    ids = torch.from_numpy(DOCUMENTS["interleaved"])[None].long()
    found = model(ids, labels=ids)
    expected = torch.nn.functional.cross_entropy(found.logits[0, :-1], ids[0, 1:])
    torch.testing.assert_close(found.loss, expected)
    found.loss.backward()
    assert [name for name, value in model.named_parameters() if value.grad is None] == []


def test_a_model_that_sees_the_next_token_is_refused() -> None:
    with pytest.raises(UserError, match="depend on the next token"):
        hf_config(card(LST, boundaries="given"), "float32", "model/m")
    hf_config(card(BASELINE, boundaries="given"), "float32", "model/m")  # no patch, no boundary


def test_a_model_that_decodes_with_a_fitted_rule_is_refused() -> None:
    with pytest.raises(UserError, match="static patches only"):
        hf_config(card(LST, strategy="hazard"), "float32", "model/m")
