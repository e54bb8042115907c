"""An exported folder in a fresh process without lst: AutoModel's logits and greedy continuations are the model's."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from lst_cli.api import LanguageModel
from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.inference.generate import generate
from lst_cli.inference.prompts import make_prompt
from lst_cli.main import app
from lst_cli.model.model_config import BlockConfig
from lst_cli.model_artifact.card import load_model
from tests.inference.models import baseline_config, latent_config, model_artifact, random_model
from tests.publishing.fresh_process import run_fresh

GROUPED = BlockConfig(kv_heads=1, head_dim=6, qkv_bias=True, qk_norm=True)
MODELS = {
    "lst": (latent_config(cross_window=4, window=8), torch.float32),
    "bypass": (latent_config(text="bypass"), torch.float32),
    "baseline": (baseline_config(), torch.float32),
    "tied": (dataclasses.replace(baseline_config(), tied=True, block=GROUPED), torch.float32),
    "half": (latent_config(), torch.bfloat16),
}
SPEECH = np.array([3, 4, 4, 7, 1, 0, 11, 11, 2, 5, 5], np.uint16)
TEXT = "the cat sat on a mat"

_SCRIPT = """
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

found = {}
for name in %r:
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForCausalLM.from_pretrained(name, trust_remote_code=True, torch_dtype="auto").eval()
    speech = "<|speech|>" + "".join(f"<|speech_{unit}|>" for unit in %r)
    for prompt, text in (("text", "<|text|>" + %r), ("speech", speech), ("both", speech + "<|text|>" + %r)):
        inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        with torch.no_grad():
            found[f"{name}.{prompt}.logits"] = model(**inputs).logits[0]
        for modality in ("text", "speech"):
            options = {"max_new_tokens": 9, "suppress_tokens": model.suppressed(modality)}
            out = model.generate(**inputs, **options)[0, inputs["input_ids"].shape[1] :]
            found[f"{name}.{prompt}.{modality}"] = out[out != tokenizer.eos_token_id]
save_file({key: value.clone() for key, value in found.items()}, "found.safetensors")
"""


def run(root: Path, *arguments: Any) -> Any:
    return CliRunner().invoke(app, ["--root", str(root), *map(str, arguments)])


def greedy(model: LanguageModel, prompt: Any, modality: Any) -> list[int]:
    (found,) = generate(model.loaded, [make_prompt(model.loaded, prompt, modality, 9, 0)], modality)
    return found.tokens


def test_a_process_without_lst_gives_equal_logits_and_continuations(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    models = {}
    for name, (config, dtype) in MODELS.items():
        artifact = model_artifact(store, name, config, random_model(config).to(dtype))
        assert run(store.root, "export", f"model/{name}", tmp_path / name).exit_code == 0
        models[name] = LanguageModel(artifact, load_model(artifact), store)
    run_fresh(_SCRIPT % (list(MODELS), SPEECH.tolist(), TEXT, TEXT), tmp_path)
    found = load_file(tmp_path / "found.safetensors")
    prompts: dict[str, tuple[Any, ...]] = {"text": (TEXT,), "speech": (SPEECH,), "both": (SPEECH, TEXT)}
    for name, model in models.items():
        exact = MODELS[name][1] == torch.float32
        for prompt, segments in prompts.items():
            logits = found[f"{name}.{prompt}.logits"]
            assert logits.dtype == MODELS[name][1]
            expected = torch.from_numpy(model.logits(*segments))
            torch.testing.assert_close(logits.float(), expected, atol=1e-5 if exact else 0.1, rtol=0)
        for prompt, modality, said in (("text", "text", TEXT), ("speech", "speech", SPEECH)):
            if exact:
                assert found[f"{name}.{prompt}.{modality}"].tolist() == greedy(model, said, modality)


def scored(store: Store, model: Artifact) -> None:
    """A made-up score of a model."""
    from lst_cli.evaluation.scores import SCORES, model_entry

    row = {"direction": "s-s", "metric": "accuracy", "n": 8, "accuracy": 0.625, "low": 0.31, "high": 0.86}
    result = {"task": "storycloze", "model": model_entry(model), "results": [{**row, "chance": 0.5}]}

    def make(draft: Draft) -> None:
        (draft.path / "scores.json").write_text(json.dumps(result))

    store.build(Request(kind=SCORES, name="m-storycloze", config={}, parents={"model": model}), make)


def test_the_model_card(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    model = model_artifact(store, "m", latent_config(), random_model(latent_config()))
    scored(store, model)
    model_artifact(store, "other", baseline_config(), random_model(baseline_config()))
    assert run(store.root, "export", "model/m", tmp_path / "out", "--license", "cc-by-nc-4.0").exit_code == 0
    text = (tmp_path / "out" / "README.md").read_text()
    _, header, page = text.split("---\n", 2)
    assert yaml.safe_load(header)["license"] == "cc-by-nc-4.0" and "`cc-by-nc-4.0`" in page
    assert "62.5% (31.0% to 86.0%)" in page and "patches of 4" in page
    assert f"| `{model.reference}` | `{model.version}` |" in page
    assert run(store.root, "export", "model/other", tmp_path / "b").exit_code == 0
    other = (tmp_path / "b" / "README.md").read_text()
    assert "license: unknown" in other and "every token is a position" in other and "No scores were available" in other
    assert model.reference not in other and "62.5%" not in other
    assert str(tmp_path) not in text + other


@pytest.mark.parametrize("license", ["x\nfoo: bar", "Apache 2", ""])
def test_a_licence_is_an_identifier(tmp_path: Path, license: str) -> None:
    store = Store(tmp_path / "root")
    model_artifact(store, "m", baseline_config(), random_model(baseline_config()))
    failed = run(store.root, "export", "model/m", tmp_path / "out", "--license", license)
    assert failed.exit_code != 0 and "not an identifier" in str(failed.exception)
    assert not (tmp_path / "out").exists()
