"""Beginning from a text model: the same logits as transformers', and what does not fit is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.model.batch import make_batch
from lst_cli.model.model import build_model
from lst_cli.model.model_config import LocalConfig, ModelConfig, ffn_dim
from lst_cli.model_artifact.card import MODEL
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.patching.strategies import PatchingConfig
from lst_cli.text.vocabulary import Vocabulary
from lst_cli.training.init.hf_llama import TextModel, check_text_model, read_text_model
from lst_cli.training.init.warm_start import initial_weights, table_rows
from tests.training.runs import BASELINE, arguments, pretrain
from tests.training.world import UNITS, _tokenizer_bytes, make_world

CONFIG = ModelConfig(family="baseline", layers=2, dim=32, heads=4)
VOCABULARY = Vocabulary(pieces=300, units=UNITS)


def write_llama(folder: Path, **changes: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    keys = {
        "vocab_size": VOCABULARY.pieces,
        "hidden_size": CONFIG.dim,
        "intermediate_size": ffn_dim(CONFIG.dim),
        "num_hidden_layers": CONFIG.layers,
        "num_attention_heads": CONFIG.heads,
        "num_key_value_heads": CONFIG.heads,
        "rms_norm_eps": 1e-5,
        "rope_theta": CONFIG.rope_theta,
        "initializer_range": 0.3,
        "tie_word_embeddings": False,
    }
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**{**keys, **changes})).float().eval()
    model.save_pretrained(folder, safe_serialization=True, max_shard_size="100KB")
    (folder / "tokenizer.model").write_bytes(_tokenizer_bytes())
    return model


def tokenizer(folder: Path) -> Path:
    path = folder / "ours.model"
    path.write_bytes(_tokenizer_bytes())
    return path


@pytest.mark.parametrize(
    "changes",
    [{}, {"num_key_value_heads": 2}, {"num_key_value_heads": 1}, {"tie_word_embeddings": True}, {"vocab_size": 320}],
    ids=["plain", "grouped", "one-head-of-keys", "tied", "padded"],
)
def test_logits_are_those_of_transformers(tmp_path: Path, changes: dict[str, Any]) -> None:
    llama = write_llama(tmp_path, **changes)
    text = read_text_model(tmp_path)
    check_text_model(text, CONFIG, tokenizer(tmp_path))
    weights, _ = initial_weights(text, CONFIG, VOCABULARY, seed=0)
    model = build_model(CONFIG, VOCABULARY.size)
    model.load_state_dict(weights)
    pieces = np.random.default_rng(0).integers(3, VOCABULARY.pieces, 40)
    ours = Document(tokens=np.concatenate([[VOCABULARY.t_marker], pieces]).astype(np.int32))
    packed = pack_documents([ours], VOCABULARY, PatchingConfig(strategy="none", size=1), "none")
    with torch.no_grad():
        found = model.logits(make_batch(packed, CONFIG, VOCABULARY, torch.device("cpu")))[:, : VOCABULARY.pieces]
        wanted = llama(torch.tensor([[1, *pieces]])).logits[0][:, : VOCABULARY.pieces]
    assert wanted.abs().max() > 1
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


def test_the_table_says_what_went_where(tmp_path: Path) -> None:
    write_llama(tmp_path)
    text = read_text_model(tmp_path)
    assert len(text.files) > 1
    _, table = initial_weights(text, CONFIG, VOCABULARY, 0)
    rows = {ours: (theirs, note) for ours, theirs, _, note in table_rows(table)}
    qkv = "global_transformer.layers.*.attention.qkv.weight"
    assert rows[qkv][0] == "model.layers.*.self_attn.[qkv]_proj.weight (x 2)"
    assert "<t> is its <s>" in rows["embedding.weight"][1]
    assert not any(theirs == "fresh" for theirs, _ in rows.values())
    local = LocalConfig(dim=16, heads=2, encoder_layers=1, decoder_layers=1)
    latent = ModelConfig(family="lst", layers=2, dim=32, heads=4, local=local)
    weights, table = initial_weights(text, latent, VOCABULARY, 0)
    by_name = {row.ours: row.theirs for row in table}
    assert by_name["embedding.weight"] == "" and by_name["global_transformer.layers.1.ffn.down.weight"] != ""
    assert {row.theirs for row in table if row.note == "not used"} == {
        "model.embed_tokens.weight",
        "lm_head.weight",
        "model.norm.weight",
    }
    build_model(latent, VOCABULARY.size).load_state_dict(weights)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rope_theta": 10_000.0}, "rope_theta 10000.0"),
        ({"rms_norm_eps": 1e-6}, "rms_norm_eps 1e-06"),
        ({"num_hidden_layers": 3}, "num_hidden_layers 3"),
        ({"intermediate_size": 64}, "intermediate_size 64"),
        ({"attention_bias": True}, "attention_bias True"),
        ({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, "rope_type linear"),
    ],
)
def test_other_layers_are_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    write_llama(tmp_path, **changes)
    with pytest.raises(UserError, match="not the layers of the model to train") as error:
        check_text_model(read_text_model(tmp_path), CONFIG, tokenizer(tmp_path))
    assert error.value.found == named


def test_other_pieces_are_refused(tmp_path: Path) -> None:
    from lst_cli.text.tokenizer import fit

    write_llama(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(fit(["other words for another tokenizer"] * 9, 300))
    with pytest.raises(UserError, match="other text pieces than the shards") as error:
        check_text_model(read_text_model(tmp_path), CONFIG, tokenizer(tmp_path))
    assert "piece 2" in (error.value.found or "")
    (tmp_path / "tokenizer.model").unlink()
    with pytest.raises(UserError, match=r"no tokenizer\.model"):
        check_text_model(read_text_model(tmp_path), CONFIG, tokenizer(tmp_path))


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json and no \*\.safetensors|no text model"):
        read_text_model(tmp_path)
    write_llama(tmp_path)
    text = read_text_model(tmp_path)
    text.files[0].unlink()
    with pytest.raises(UserError, match="a tensor is missing"):
        initial_weights(read_text_model(tmp_path), CONFIG, VOCABULARY, 0)
    shutil.copy(tmp_path / "config.json", text.files[0])
    with pytest.raises(UserError, match="not a whole file"):
        initial_weights(read_text_model(tmp_path), CONFIG, VOCABULARY, 0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[1, 2]", r"no config of a model(.|\n)*a JSON list"),
        ("null", "no config of a model"),
        ('{"model_type": "llama"', "not a whole file"),
        ("\xff", "not a whole file"),
        ('{"rope_scaling": 5}', r"rope_scaling(.|\n)*5"),
        ('{"rope_parameters": ["x"]}', "rope_parameters"),
    ],
)
def test_an_odd_config_is_refused(text: str, named: str, tmp_path: Path) -> None:
    write_llama(tmp_path)
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=named):
        read_text_model(tmp_path)


@pytest.mark.parametrize("heads", [0, 3, "two", [4]])
def test_heads_that_can_not_be_shared_are_refused(heads: Any, tmp_path: Path) -> None:
    write_llama(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_key_value_heads": heads}))
    with pytest.raises(UserError, match=r"num_key_value_heads(.|\n)*a divisor of 4"):
        check_text_model(read_text_model(tmp_path), CONFIG, tokenizer(tmp_path))


def test_an_empty_config_is_told_what_it_lacks(tmp_path: Path) -> None:
    write_llama(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="model_type None, hidden_size None"):
        check_text_model(read_text_model(tmp_path), CONFIG, tokenizer(tmp_path))


def test_weights_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    write_llama(tmp_path)
    (tmp_path / "zz.safetensors").mkdir()
    with pytest.raises(UserError, match=r"zz\.safetensors: the file can't be read"):
        read_text_model(tmp_path)


@pytest.mark.parametrize(
    ("tensor", "named"),
    [
        ("model.layers.1.self_attn.k_proj.weight", "tensors of model.layers.1 do not fit together"),
        ("model.layers.0.mlp.up_proj.weight", "tensors of model.layers.0 do not fit together"),
        ("model.embed_tokens.weight", r"embed_tokens\.weight(.|\n)*2 dimensions"),
        ("model.norm.weight", r"norm\.weight(.|\n)*1 dimensions"),
    ],
)
def test_tensors_of_other_shapes_are_named(tensor: str, named: str, tmp_path: Path) -> None:
    write_llama(tmp_path)
    odd = torch.zeros(3, 5) if "layers" in tensor or "norm" in tensor else torch.zeros(7)
    for path in tmp_path.glob("*.safetensors"):
        held = load_file(path)
        if tensor in held:
            save_file({**held, tensor: odd}, path)
    with pytest.raises(UserError, match=named):
        initial_weights(read_text_model(tmp_path), CONFIG, VOCABULARY, 0)


FROZEN = ("budget.steps=5", "schedule.warmup_steps=0", "optimizer.lr=1e-12", "optimizer.weight_decay=0.0")
FITTING = (BASELINE[0], "model.overrides={layers: 2, dim: 32, heads: 4}", *FROZEN)


def test_a_run_begins_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    write_llama(tmp_path / "llama")
    text: TextModel = read_text_model(tmp_path / "llama")
    model = pretrain(tmp_path, "warm", *FITTING, options=["--init", str(tmp_path / "llama")])
    assert "self_attn.[qkv]_proj" in capsys.readouterr().out
    assert model.config["init"] == {"sha256": text.sha256}
    wanted, _ = initial_weights(text, CONFIG, VOCABULARY, seed=0)
    for name, value in load_file(model.file("model.safetensors")).items():
        torch.testing.assert_close(value, wanted[name], atol=1e-6, rtol=0)
    assert pretrain(tmp_path, "warm", *FITTING).fingerprint != model.fingerprint
    command = [*arguments(tmp_path, "two", *FITTING), "--init", str(tmp_path / "llama")]
    script = [sys.executable, "-m", "tests.training.runs", "stages", "2:ddp:", *command]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert "[0, 0]" in done.stdout, done.stdout + done.stderr
    two = Store(tmp_path).find("model/two", MODEL)
    first = [json.loads(artifact.file("metrics.jsonl").read_text().splitlines()[0]) for artifact in (model, two)]
    assert first[0]["loss"] == pytest.approx(first[1]["loss"], rel=1e-5)
