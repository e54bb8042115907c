"""Models in slamkit's layout: logits and scores are those of the model inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from lst_cli.artifacts import Store
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import ITEMS_FILE
from lst_cli.inference.generate import generate
from lst_cli.inference.prompts import make_prompt
from lst_cli.main import app
from lst_cli.model.batch import make_batch
from lst_cli.model_artifact.card import MODEL, load_model
from lst_cli.patching.packed import Document, pack_documents
from tests.inference.models import UNITS, quantizer_artifact, tokens_artifact

SIZES = {
    "vocab_size": UNITS + 2,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
}


def write_unit_lm(folder: Path, family: str = "qwen2", *, tied: bool = True, **changes: Any) -> Any:
    """Save a random model as slamkit's UnitLM does: the config of the model inside, and ``lm.`` before its tensors."""
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    torch.manual_seed(0)
    config = CONFIG_MAPPING[family](**{**SIZES, "tie_word_embeddings": tied, **changes})
    inside = AutoModelForCausalLM.from_config(config).float().eval()
    for parameter_name, parameter in inside.named_parameters():
        if parameter_name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)
    names = {name: value for name, value in inside.state_dict().items() if not (tied and name == "lm_head.weight")}
    folder.mkdir(exist_ok=True)
    save_file({f"lm.{name}": value.contiguous() for name, value in names.items()}, folder / "model.safetensors")
    outer = {
        "architectures": ["UnitLM"],
        "model_type": "speech_language_model",
        "base_model_name": "Qwen/Qwen2.5-0.5B",
        "base_config": config.to_dict(),
        "vocab_size": config.vocab_size,
    }
    (folder / "config.json").write_text(json.dumps(outer))
    return inside


def lst(root: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--root", str(root), *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def import_(root: Path, folder: Path, *more: str) -> None:
    lst(root, "import", str(folder), "--name", "slam", "--quantizer", "quantizer/q", *more)


@pytest.mark.parametrize(("family", "tied"), [("qwen2", True), ("qwen2", False), ("llama", True)])
def test_logits_are_those_of_the_model_inside(tmp_path: Path, family: str, tied: bool) -> None:
    store = Store(tmp_path / "root")
    quantizer_artifact(store)
    inside = write_unit_lm(tmp_path / "slam", family, tied=tied)
    import_(store.root, tmp_path / "slam")
    loaded = load_model(store.find("model/slam", MODEL))
    tokens = np.array([1, *np.random.default_rng(0).integers(2, UNITS + 2, 30), 1], dtype=np.int32)
    packed = pack_documents([Document(tokens=tokens)], loaded.card.vocabulary, loaded.card.patcher, loaded.card.cut)
    with torch.no_grad():
        found = loaded.model.logits(
            make_batch(packed, loaded.card.architecture, loaded.card.vocabulary, torch.device("cpu"))
        )
        wanted = inside(torch.from_numpy(tokens.astype(np.int64))[None]).logits[0]
    assert found.shape == wanted.shape == (32, UNITS + 2) and wanted.std() > 0.3
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def _mean_log_likelihood(inside: Any, units: list[int]) -> float:
    """As slamkit scores an utterance: runs merged, ``<S>`` on both sides, the mean over all tokens but the first."""
    merged = [unit for place, unit in enumerate(units) if not place or unit != units[place - 1]]
    ids = torch.tensor([[1, *(unit + 2 for unit in merged), 1]])
    with torch.no_grad():
        log_p = inside(ids).logits[0, :-1].log_softmax(-1)
    return float(log_p.gather(1, ids[0, 1:, None]).mean())


def test_scores_are_those_of_slamkit(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    inside = write_unit_lm(tmp_path / "slam")
    quantizer = quantizer_artifact(store)
    import_(store.root, tmp_path / "slam")
    rng = np.random.default_rng(1)
    lines, units = ["id,filename,voice,frequency,word,phones,length_phones,correct"], {}
    for pair in range(12):
        for correct in (1, 0):
            name = f"w{pair}-{correct}"
            lines.append(f"{pair},{name}.wav,v,10,word{name},x,1,{correct}")
            units[name] = np.repeat(rng.integers(0, UNITS, rng.integers(3, 9)), 2).tolist()
    (tmp_path / "gold.csv").write_text("\n".join(lines) + "\n")
    tokens_artifact(store, "words", units, quantizer)
    arguments = ["eval", "swuggy", "model/slam", "--items", str(tmp_path / "gold.csv"), "--tokens", "tokens/words"]
    result = json.loads(lst(store.root, *arguments, "--directions", "s-s", "--with-end", "--json"))
    assert result["scores"].split("/")[1] == "slam-swuggy-with-end"
    rows = read_parquet(store.find_any(result["scores"]).file(ITEMS_FILE)).to_pylist()
    right = 0
    for row in rows:
        wanted = [_mean_log_likelihood(inside, units[name]) for name in row["utterances"]]
        found = [total / count for total, count in zip(row["log_probs"], row["tokens"], strict=True)]
        assert found == pytest.approx(wanted, abs=1e-5)
        right += wanted[0] > wanted[1]
    assert result["results"][0]["accuracy"] == pytest.approx(right / 12) and result["with_end"] is True
    without = json.loads(lst(store.root, *arguments, "--directions", "s-s", "--json"))
    assert "with_end" not in without and without["scores"].split("/")[1] == "slam-swuggy"


def test_an_imported_model_knows_no_text(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    quantizer_artifact(store)
    write_unit_lm(tmp_path / "slam")
    (tmp_path / "slam" / "tokeniser_config.json").write_text('{"dedup": false, "num_units": 12}')
    import_(store.root, tmp_path / "slam")
    loaded = load_model(store.find("model/slam", MODEL))
    assert loaded.speech.encode(np.array([3, 3, 4], np.uint16)).tolist() == [5, 5, 6]
    with pytest.raises(UserError, match="no text tokens"):
        loaded.tokenizer.encode("a text")
    prompt = make_prompt(loaded, np.array([3, 3, 4], np.uint16), "speech", 20, 0)
    (said,) = generate(loaded, [prompt], "speech")
    assert prompt.tokens.tolist() == [1, 5, 5, 6] and all(token >= 2 for token in said.tokens)


def test_what_can_not_be_imported_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    quantizer_artifact(store)
    write_unit_lm(tmp_path / "opt", "opt", ffn_dim=96, word_embed_proj_dim=64)
    with pytest.raises(UserError, match="layers of OPT"):
        import_(store.root, tmp_path / "opt")
    write_unit_lm(tmp_path / "mixed", vocab_size=300)
    with pytest.raises(UserError, match="tokens other than units"):
        import_(store.root, tmp_path / "mixed")
    write_unit_lm(tmp_path / "bert", "qwen3_moe")
    with pytest.raises(UserError, match="not supported"):
        import_(store.root, tmp_path / "bert")
    write_unit_lm(tmp_path / "slam")
    with pytest.raises(UserError, match="the quantizer of this model is unknown"):
        lst(store.root, "import", str(tmp_path / "slam"), "--name", "slam")
    (tmp_path / "slam" / "config.json").write_text('{"model_type": "opt", "offset": 4}')
    with pytest.raises(UserError, match="neither an exported model nor one of slamkit"):
        lst(store.root, "import", str(tmp_path / "slam"), "--name", "slam")
