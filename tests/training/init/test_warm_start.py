"""A run begins with the text model's weights, and what speech adds looks like them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.model.model import build_model
from lst_cli.model.model_config import LocalConfig
from lst_cli.model_artifact.card import MODEL
from lst_cli.text.tokenizer import fit
from lst_cli.training.config.train_config import ModelSection, resolve_model
from lst_cli.training.init.initial_model import table_rows
from lst_cli.training.init.text_model import read_text_model
from lst_cli.training.init.warm_start import like
from tests.training.init.text_models import VOCABULARY, our_logits, text_tokens, tokenizer, write_text_model
from tests.training.runs import arguments, pretrain
from tests.training.world import make_world


def test_the_table_says_what_went_where(tmp_path: Path) -> None:
    write_text_model(tmp_path)
    text = read_text_model(tmp_path)
    config = resolve_model(text.section(ModelSection(architecture="baseline_tiny")))
    _, table = text.weights(config, VOCABULARY, 0)
    rows = {ours: (theirs, note) for ours, theirs, _, note in table_rows(table)}
    assert rows["global_transformer.layers.*.attention.qkv.weight"][0] == (
        "model.layers.*.self_attn.[qkv]_proj.weight (x 2)"
    )
    assert "<t> is row 1" in rows["embedding.weight"][1]
    assert not any(theirs == "fresh" for theirs, _ in rows.values())


def test_new_rows_are_drawn_like_the_others() -> None:
    draws = torch.Generator().manual_seed(0)
    known_VD = torch.randn(4000, 8, generator=draws) * torch.arange(1.0, 9.0) + torch.arange(8.0)
    known_VD[:, 7] += 3 * known_VD[:, 6]
    new_VD = like(known_VD, 4000, 0, "embedding.weight")
    torch.testing.assert_close(new_VD.mean(0), known_VD.mean(0), atol=0.7, rtol=0)
    torch.testing.assert_close(new_VD.T.cov() * 4, known_VD.T.cov(), rtol=0.1, atol=2.0)
    assert new_VD.T.corrcoef()[6, 7] > 0.9
    assert torch.equal(new_VD[:5], like(known_VD, 5, 0, "embedding.weight"))
    assert not torch.equal(new_VD[:5], like(known_VD, 5, 1, "embedding.weight"))
    assert len(torch.unique(new_VD[:, 0])) == 4000


def test_other_tokens_are_refused(tmp_path: Path) -> None:
    write_text_model(tmp_path)
    text = read_text_model(tmp_path)
    text.check(tokenizer(tmp_path))
    (tmp_path / "tokenizer.model").write_bytes(fit(["other words for another tokenizer"] * 9, 300))
    with pytest.raises(UserError, match="other text tokens than the shards'") as error:
        text.check(tokenizer(tmp_path))
    assert "lst text import" in (error.value.fix or "") and "token 2" in (error.value.found or "")
    (tmp_path / "tokenizer.model").unlink()
    with pytest.raises(UserError, match=r"no tokenizer\.model or tokenizer\.json"):
        text.check(tokenizer(tmp_path))


FROZEN = ("budget.steps=5", "optimizer.lr=1e-12", "optimizer.weight_decay=0.0", "model.overrides={}")
NO_WARMUP = ("schedule.warmup_steps=0",)
BASELINE = ("model.architecture=baseline_tiny", *FROZEN)


@pytest.mark.parametrize("tied", [False, True])
def test_a_run_begins_there(tied: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_world(tmp_path)
    write_text_model(tmp_path / "llama", tie_word_embeddings=tied)
    options = ["--init", str(tmp_path / "llama")]
    text = read_text_model(tmp_path / "llama")
    changes = (*BASELINE, *NO_WARMUP)
    model = pretrain(tmp_path, "warm", *changes, options=options)
    assert "self_attn.[qkv]_proj" in capsys.readouterr().out
    assert model.config["init"] == {"sha256": text.source.sha256}
    config = resolve_model(text.section(ModelSection(architecture="baseline_tiny")))
    wanted, _ = text.weights(config, VOCABULARY, seed=0)
    found = load_file(model.file("model.safetensors"))
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], atol=1e-6, rtol=0)
    if tied:
        assert torch.equal(found["head.weight"], found["embedding.weight"])
        assert model.statistics["parameters"] < sum(value.numel() for value in found.values())
    command = [*arguments(tmp_path, "two", *changes), *options]
    script = [sys.executable, "-m", "tests.training.runs", "stages", "2:fsdp:", *command]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert "[0, 0]" in done.stdout, done.stdout + done.stderr
    two = Store(tmp_path).find("model/two", MODEL)
    first = [json.loads(artifact.file("metrics.jsonl").read_text().splitlines()[0]) for artifact in (model, two)]
    assert first[0]["loss"] == pytest.approx(first[1]["loss"], rel=1e-5)


@pytest.mark.skipif("text" not in LocalConfig.__dataclass_fields__, reason="local.text is not there yet")  # type: ignore[attr-defined]
def test_text_that_bypasses_local_layers_is_the_text_model(tmp_path: Path) -> None:
    theirs = write_text_model(tmp_path, tie_word_embeddings=True)
    text = read_text_model(tmp_path)
    config = resolve_model(text.section(ModelSection(architecture="lst_tiny", overrides={"local": {"text": "bypass"}})))
    assert config.local is not None and config.local.dim == config.dim and config.local.decoder_layers == 2
    weights, table = text.weights(config, VOCABULARY, 0)
    assert {row.theirs for row in table if row.ours.startswith("text_")} == {"the identity"}
    model = build_model(config, VOCABULARY.size)
    model.load_state_dict(weights)
    tokens = text_tokens()
    with torch.no_grad():
        wanted = theirs(torch.tensor([[1, *tokens]])).logits[0]
    torch.testing.assert_close(our_logits(model, tokens)[:, : VOCABULARY.pieces], wanted, atol=1e-5, rtol=1e-5)
