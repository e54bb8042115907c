"""A checkpoint is read as transformers reads it, and what is not whole, finite or in floating point is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lst_cli.errors import UserError
from lst_cli.training.config.train_config import ModelSection, resolve_model
from lst_cli.training.init.text_model import read_text_model
from tests.training.init.text_models import VOCABULARY, write_text_model

EMBEDDING, DOWN = "model.embed_tokens.weight", "model.layers.1.mlp.down_proj.weight"


def begin(folder: Path) -> dict[str, torch.Tensor]:
    """All weights that a baseline begins from."""
    text = read_text_model(folder)
    config = resolve_model(text.section(ModelSection(architecture="baseline_tiny")))
    return text.weights(config, VOCABULARY, 0)[0]


def change(folder: Path, name: str, to: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change a tensor in its file."""
    for path in folder.glob("model*.safetensors"):
        held = load_file(path)
        if name in held:
            save_file({**held, name: to(held[name])}, path)


def test_only_what_the_index_names_is_read(tmp_path: Path) -> None:
    write_text_model(tmp_path)
    assert len(read_text_model(tmp_path).source.files) > 1
    before, sha256 = begin(tmp_path), read_text_model(tmp_path).source.sha256
    strays = ("pytorch_model_old.safetensors", "adapter_model.safetensors", "model_old.safetensors")
    for name in strays:
        save_file({DOWN: torch.zeros(3)}, tmp_path / name)
    for name in ("._model-00001-of-00005.safetensors", "._config.json"):
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "zz.safetensors").mkdir()
    assert read_text_model(tmp_path).source.sha256 == sha256
    for name, value in begin(tmp_path).items():
        assert torch.equal(value, before[name])


def test_one_file_needs_no_index(tmp_path: Path) -> None:
    model = write_text_model(tmp_path)
    before = begin(tmp_path)
    for path in (*tmp_path.glob("*.safetensors"), tmp_path / "model.safetensors.index.json"):
        path.unlink()
    model.save_pretrained(tmp_path, safe_serialization=True)
    assert len(read_text_model(tmp_path).source.files) == 1
    assert all(torch.equal(value, before[name]) for name, value in begin(tmp_path).items())


def test_the_advice_about_missing_rows_works(tmp_path: Path) -> None:
    theirs = write_text_model(tmp_path)
    theirs.resize_token_embeddings(299)
    theirs.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"resize_token_embeddings\(300\)"):
        begin(tmp_path)
    theirs.resize_token_embeddings(300)
    theirs.save_pretrained(tmp_path)
    assert torch.equal(begin(tmp_path)["embedding.weight"][:300], theirs.model.embed_tokens.weight)


def test_tied_by_the_config(tmp_path: Path) -> None:
    write_text_model(tmp_path, tie_word_embeddings=True)
    weights = begin(tmp_path)
    assert torch.equal(weights["head.weight"], weights["embedding.weight"])
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tie_word_embeddings": False}))
    with pytest.raises(UserError, match=r"no lm_head\.weight"):
        begin(tmp_path)


@pytest.mark.parametrize(
    ("name", "to", "named"),
    [
        (DOWN, lambda t: t.index_put((torch.tensor(0),), torch.tensor(float("nan"))), "numbers are not finite"),
        (EMBEDDING, lambda t: t * float("inf"), "not finite"),
        (DOWN, lambda t: t.to(torch.float8_e4m3fn), "F8_E4M3"),
        (DOWN, lambda t: t.to(torch.int32), "I32"),
        ("model.layers.1.self_attn.k_proj.weight", lambda t: torch.zeros(3, 5), r"\[qkv\]_proj"),
        ("model.layers.0.mlp.up_proj.weight", lambda t: torch.zeros(7), r"\[gate,up\]_proj"),
        (EMBEDDING, lambda t: torch.zeros(7), "at least 300 rows"),
        (EMBEDDING, lambda t: t[:299].clone(), "at least 300 rows"),
        ("model.norm.weight", lambda t: torch.tensor(1.0), r"shape \(64,\) for norm"),
    ],
)
def test_weights_that_can_not_be_used_are_named(name: str, to: Any, named: str, tmp_path: Path) -> None:
    write_text_model(tmp_path)
    change(tmp_path, name, to)
    with pytest.raises(UserError, match=named):
        begin(tmp_path)


@pytest.mark.parametrize("method", ["fp8", "gptq", "bitsandbytes"])
def test_quantised_checkpoints_are_refused(method: str, tmp_path: Path) -> None:
    write_text_model(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": {"quant_method": method}}))
    with pytest.raises(UserError, match=rf"quantised weights(.|\n)*{method}(.|\n)*dequantise"):
        read_text_model(tmp_path)


def test_adapters_are_refused(tmp_path: Path) -> None:
    write_text_model(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"an adapter(.|\n)*merge_and_unload"):
        read_text_model(tmp_path)


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        read_text_model(tmp_path)
    write_text_model(tmp_path)
    first = read_text_model(tmp_path).source.files[0]
    shutil.copy(tmp_path / "config.json", first)
    with pytest.raises(UserError, match="not a whole file"):
        begin(tmp_path)
    first.unlink()
    with pytest.raises(UserError, match=f"files of the index are missing(.|\n)*{first.name}"):
        read_text_model(tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "../a.safetensors"}}')
    with pytest.raises(UserError, match="outside of the folder"):
        read_text_model(tmp_path)
    index.unlink()
    with pytest.raises(UserError, match="save them with save_pretrained"):
        read_text_model(tmp_path)
