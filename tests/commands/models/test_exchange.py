"""A model that leaves the artifact root and comes back gives the same logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from lst_cli.artifacts import Store
from lst_cli.main import app
from lst_cli.model.batch import make_batch
from lst_cli.model_artifact.card import MODEL, load_model
from lst_cli.patching.packed import Document, pack_documents
from tests.inference.models import baseline_config, latent_config, model_artifact, random_model


def logits(loaded) -> torch.Tensor:
    card = loaded.card
    tokens = np.array([card.vocabulary.s_marker, *card.vocabulary.units_to_ids(np.arange(7) % card.vocabulary.units)])
    packed = pack_documents([Document(tokens=tokens)], card.vocabulary, card.patcher, card.cut)
    with torch.no_grad():
        return loaded.model.logits(make_batch(packed, card.architecture, card.vocabulary, torch.device("cpu")))


def run(root, *arguments):
    return CliRunner().invoke(app, ["--root", str(root), *map(str, arguments)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("config", [latent_config(), baseline_config()], ids=["lst", "baseline"])
def test_the_round_trip_gives_equal_logits(tmp_path, config, dtype):
    original = model_artifact(Store(tmp_path / "a"), "m", config, random_model(config).to(dtype))
    assert run(tmp_path / "a", "export", original.reference, tmp_path / "out").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "config.json",
        "generation_config.json",
        "model.json",
        "model.safetensors",
        "modeling_lst.py",
        "quantizer.safetensors",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
    ]
    assert run(tmp_path / "b", "import", tmp_path / "out", "--name", "back").exit_code == 0
    back = Store(tmp_path / "b").find("model/back", MODEL)
    found, expected = logits(load_model(back)), logits(load_model(original))
    assert found.dtype == dtype and torch.equal(found, expected)
    assert back.statistics["parameters"] == sum(value.numel() for value in random_model(config).parameters())


def test_tied_weights_come_back_as_they_were(tmp_path):
    config = baseline_config()
    model = random_model(config)
    model.head.weight = model.embedding.weight
    original = model_artifact(Store(tmp_path / "a"), "m", config, model)
    assert run(tmp_path / "a", "export", original.reference, tmp_path / "deep" / "out").exit_code == 0
    assert run(tmp_path / "b", "import", tmp_path / "deep" / "out", "--name", "back").exit_code == 0
    back = load_model(Store(tmp_path / "b").find("model/back", MODEL))
    assert torch.equal(back.model.embedding.weight, model.embedding.weight)
    assert torch.equal(logits(back), logits(load_model(original)))


def test_what_is_no_exported_model_makes_no_artifact(tmp_path):
    original = model_artifact(Store(tmp_path / "a"), "m", latent_config(), random_model(latent_config()))
    run(tmp_path / "a", "export", original.reference, tmp_path / "out")
    again = run(tmp_path / "a", "export", original.reference, tmp_path / "out")
    assert "exists already" in str(again.exception)
    weights = tmp_path / "out" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    broken = run(tmp_path / "b", "import", tmp_path / "out", "--name", "x")
    assert "model.safetensors: not a whole file" in str(broken.exception)
    weights.unlink()
    assert "no model.safetensors" in str(run(tmp_path / "b", "import", tmp_path / "out", "--name", "x").exception)
    nowhere = run(tmp_path / "b", "import", tmp_path / "nowhere", "--name", "x")
    assert "nowhere: no such folder" in str(nowhere.exception)
    assert list(Store(tmp_path / "b").all()) == []
