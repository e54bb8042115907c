"""Every family that transformers saves gives transformers' logits, or is refused with an advice that works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lst_cli.errors import UserError
from lst_cli.model.model import build_model
from lst_cli.training.config.train_config import ModelSection, resolve_model
from lst_cli.training.init.text_model import read_text_model
from tests.training.init.text_models import VOCABULARY, our_logits, text_tokens, tokenizer, write_text_model

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}

SMOLLM2 = {
    "hidden_size": 72,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "intermediate_size": 192,
    "tie_word_embeddings": True,
    "rms_norm_eps": 9.999999747378752e-06,
    "rope_theta": 100_000.0,
}

WINDOW = {"use_sliding_window": True, "sliding_window": 32}

SUPPORTED: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-2": ("llama", {"num_key_value_heads": 4, "rms_norm_eps": 1e-6}),
    "llama-3": ("llama", {"rope_theta": 500_000.0}),
    "llama-3.1": ("llama", {"rope_theta": 500_000.0, "rope_scaling": LLAMA3}),
    "llama-3.2": ("llama", {"rope_scaling": LLAMA3, "tie_word_embeddings": True, "head_dim": 32}),
    "linear": ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}),
    "yarn": ("llama", {"rope_scaling": YARN}),
    "yarn-all": ("qwen2", {"rope_scaling": {**YARN, "attention_factor": 1.5, "beta_fast": 16, "beta_slow": 2}}),
    "smollm2": ("llama", SMOLLM2),
    "one-head-of-keys": ("llama", {"num_key_value_heads": 1}),
    "padded": ("llama", {"vocab_size": 320}),
    "mistral": ("mistral", {"sliding_window": None, "head_dim": 24}),
    "qwen2": ("qwen2", {"rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0}),
    "qwen2-tied": ("qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("qwen3", {"head_dim": 32, "rms_norm_eps": 1e-6}),
    "window-in-no-layer": ("qwen2", {**WINDOW, "max_window_layers": 2}),
    "qwen3-default-head": ("qwen3", {"tie_word_embeddings": True}),
}


@pytest.mark.parametrize("name", SUPPORTED)
def test_logits_are_those_of_transformers(tmp_path: Path, name: str) -> None:
    family, changes = SUPPORTED[name]
    theirs = write_text_model(tmp_path, family, **changes)
    text = read_text_model(tmp_path)
    text.check(tokenizer(tmp_path))
    config = resolve_model(text.section(ModelSection(architecture="baseline_tiny")))
    weights, _ = text.weights(config, VOCABULARY, seed=0)
    model = build_model(config, VOCABULARY.size)
    model.load_state_dict(weights)
    tokens = text_tokens()
    found = our_logits(model, tokens)[:, : VOCABULARY.pieces]
    with torch.no_grad():
        wanted = theirs(torch.tensor([[1, *tokens]])).logits[0][:, : VOCABULARY.pieces]
    assert wanted.std() > 0.3
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "attention-bias": ("llama", {"attention_bias": True}, "attention_bias True"),
    "mlp-bias": ("llama", {"mlp_bias": True}, "mlp_bias True"),
    "gelu": ("llama", {"hidden_act": "gelu"}, "hidden_act 'gelu'"),
    "dynamic": ("llama", {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope_type dynamic"),
    "mscale": ("llama", {"rope_scaling": {**YARN, "mscale": 0.7}}, "mscale"),
    "mistral-window": ("mistral", {"sliding_window": 32}, "sliding_window 32"),
    "qwen2-window": ("qwen2", {**WINDOW, "max_window_layers": 1}, "sliding_window 32"),
    "gpt2": ("gpt2", {"n_embd": 32, "n_layer": 1, "n_head": 2}, "model_type gpt2"),
    "gemma": ("gemma", {"head_dim": 16}, "model_type gemma"),
    "opt": ("opt", {"ffn_dim": 64, "word_embed_proj_dim": 64}, "model_type opt"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_computed_is_refused(tmp_path: Path, name: str) -> None:
    family, changes, named = REFUSED[name]
    write_text_model(tmp_path, family, **changes)
    with pytest.raises(UserError) as error:
        read_text_model(tmp_path)
    assert named in (error.value.found or "") and error.value.fix


@pytest.mark.parametrize(
    ("family", "windows", "key", "value"),
    [
        ("mistral", {}, "sliding_window", None),
        ("qwen2", {"use_sliding_window": True, "max_window_layers": 0}, "use_sliding_window", False),
        ("qwen3", {"use_sliding_window": True, "max_window_layers": 1}, "use_sliding_window", False),
    ],
)
def test_the_advice_about_windows_works(
    tmp_path: Path, family: str, windows: dict[str, Any], key: str, value: object
) -> None:
    theirs = write_text_model(tmp_path, family, sliding_window=64, **windows)
    with pytest.raises(UserError, match=f"set {key} to {json.dumps(value)}"):
        read_text_model(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    text = read_text_model(tmp_path)
    config = resolve_model(text.section(ModelSection(architecture="baseline_tiny")))
    model = build_model(config, VOCABULARY.size)
    model.load_state_dict(text.weights(config, VOCABULARY, 0)[0])
    with torch.no_grad():
        wanted = theirs(torch.tensor([[1, *text_tokens()]])).logits[0]
    torch.testing.assert_close(our_logits(model, text_tokens())[:, :300], wanted, atol=1e-5, rtol=1e-5)


def test_overrides_that_ask_for_another_shape(tmp_path: Path) -> None:
    write_text_model(tmp_path)
    text = read_text_model(tmp_path)
    same = text.section(ModelSection(architecture="baseline_tiny", overrides={"layers": 2, "block": {"kv_heads": 2}}))
    assert resolve_model(same).layers == 2
    with pytest.raises(UserError, match=r"block\.ffn_dim: 128, layers: 3") as error:
        text.section(ModelSection(architecture="baseline_tiny", overrides={"layers": 3, "block": {"ffn_dim": 128}}))
    assert "remove these keys" in (error.value.fix or "")


def test_an_lst_keeps_its_queries_and_takes_the_layers(tmp_path: Path) -> None:
    write_text_model(tmp_path, **SMOLLM2)
    text = read_text_model(tmp_path)
    config = resolve_model(text.section(ModelSection(architecture="lst_tiny")))
    assert config.local is not None and config.queries == 2 and config.local.dim == 36 and not config.tied
    weights, table = text.weights(config, VOCABULARY, 0)
    by_name = {row.ours: row.theirs for row in table}
    assert by_name["embedding.weight"] == "" and by_name["global_transformer.layers.1.ffn.down.weight"] != ""
    build_model(config, VOCABULARY.size).load_state_dict(weights)
    own = text.section(ModelSection(architecture="lst_tiny", overrides={"local": {"dim": 72, "heads": 3}}))
    assert resolve_model(own).queries == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[1, 2]", r"not an object(.|\n)*a JSON list"),
        ("null", "not an object"),
        ('{"model_type": "llama"', "not a whole file"),
        ("\xff", "not a whole file"),
        ('{"rope_scaling": 5}', r"rope_scaling(.|\n)*5"),
        ('{"rope_parameters": ["x"]}', "rope_parameters"),
        ("{}", "model_type None"),
        ('{"model_type": "llama", "num_key_value_heads": [4]}', "num_key_value_heads"),
        ('{"model_type": "llama", "num_attention_heads": 0}', "num_attention_heads|not a config"),
        ('{"model_type": "llama", "num_attention_heads": 4, "num_key_value_heads": 3}', "does not divide"),
        ('{"model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 2}}', "low_freq_factor"),
    ],
)
def test_odd_configs_are_refused(text: str, named: str, tmp_path: Path) -> None:
    write_text_model(tmp_path)
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=named):
        read_text_model(tmp_path)
