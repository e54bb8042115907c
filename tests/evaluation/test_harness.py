"""On the same text model and items our T->T accuracies are those of the LM evaluation harness.

The model is a tiny Hugging Face Llama with random weights. Its architecture is that of our baseline, so its weights are
loaded into one, with its beginning-of-sequence embedding as our ``<t>``.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lst_cli.artifacts import Store
from lst_cli.evaluation.choice import score_items, summarise
from lst_cli.evaluation.tasks import get_task, read_items
from lst_cli.hashing import integers, uniform
from lst_cli.model.model import SpeechTextModel, build_model
from lst_cli.model.model_config import ffn_dim
from lst_cli.model_artifact.card import load_model
from tests.inference.models import WORDS, baseline_config, model_artifact, tokenizer_bytes, vocabulary

pytest.importorskip("lm_eval", reason="the LM evaluation harness is a dev dependency")

ITEMS = 24


@pytest.fixture(scope="module")
def llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = baseline_config()
    torch.manual_seed(0)
    hf = LlamaConfig(
        vocab_size=vocabulary().size,
        hidden_size=config.dim,
        intermediate_size=ffn_dim(config.dim),
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        rms_norm_eps=1e-5,
        rope_theta=config.rope_theta,
        initializer_range=0.5,
        tie_word_embeddings=False,
    )
    return LlamaForCausalLM(hf).float().eval()


def as_baseline(llama: Any) -> SpeechTextModel:
    """Our baseline with the Llama's weights."""
    theirs = llama.state_dict()
    ours = {
        "embedding.weight": theirs["model.embed_tokens.weight"].clone(),
        "norm.weight": theirs["model.norm.weight"],
        "head.weight": theirs["lm_head.weight"],
    }
    ours["embedding.weight"][vocabulary().t_marker] = ours["embedding.weight"][1]
    for layer in range(baseline_config().layers):
        at, to = f"model.layers.{layer}.", f"global_transformer.layers.{layer}."
        ours[to + "attention_norm.weight"] = theirs[at + "input_layernorm.weight"]
        ours[to + "ffn_norm.weight"] = theirs[at + "post_attention_layernorm.weight"]
        ours[to + "attention.qkv.weight"] = torch.cat([theirs[f"{at}self_attn.{x}_proj.weight"] for x in "qkv"])
        ours[to + "attention.out.weight"] = theirs[at + "self_attn.o_proj.weight"]
        ours[to + "ffn.gate_up.weight"] = torch.cat([theirs[f"{at}mlp.{x}_proj.weight"] for x in ("gate", "up")])
        ours[to + "ffn.down.weight"] = theirs[at + "mlp.down_proj.weight"]
    model = build_model(baseline_config(), vocabulary().size)
    model.load_state_dict(ours)
    return model


def phrase(item: int, part: int, least: int, most: int) -> str:
    """Some words; é takes two bytes, so that characters and bytes differ."""
    length = int(integers(least, most, 0, item, part))
    words = [WORDS[int(uniform(1, item, part, n) * len(WORDS))] for n in range(length)]
    return " ".join([*words[:-1], words[-1] + ("é" * int(integers(0, 3, 2, item, part)))])


def write_hellaswag(path: Path) -> Path:
    rows = [
        {
            "ind": item,
            "activity_label": phrase(item, 0, 1, 2),
            "ctx_a": f"{phrase(item, 1, 4, 9)}. [title] {phrase(item, 8, 2, 3)} [step]",
            "ctx_b": phrase(item, 2, 1, 3),
            "endings": [phrase(item, 3 + n, 1, 8) for n in range(4)],
            "label": str(item % 4),
        }
        for item in range(ITEMS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_storycloze(path: Path) -> Path:
    columns = [f"input_sentence_{n}" for n in range(1, 5)]
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["story_id", *columns, "sentence_quiz1", "sentence_quiz2", "answer_right_ending"])
        for item in range(ITEMS):
            writer.writerow([f"s{item}", *(phrase(item, n, 2, 7) for n in range(6)), 1 + item % 2])
    return path


def harness(llama: Any, config: dict[str, Any], folder: Path) -> tuple[dict[str, float], list[list[float]]]:
    """The harness's accuracies, and its log-likelihood of each ending of each item."""
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from transformers import LlamaTokenizer

    path = folder / "tokenizer.model"
    path.write_bytes(tokenizer_bytes())
    lm = HFLM(pretrained=llama, tokenizer=LlamaTokenizer(str(path)), batch_size=5, device="cpu")
    metrics = [{"metric": name} for name in ("acc", "acc_norm", "acc_bytes")]
    task = ConfigurableTask(
        cache_dir=str(folder / "cache"),
        config={
            "task": "local",
            "output_type": "multiple_choice",
            "validation_split": "validation",
            "metric_list": metrics,
            "num_fewshot": 0,
            **config,
        },
    )
    found = evaluate(lm, {"local": task}, bootstrap_iters=0, log_samples=True)
    samples = sorted(found["samples"]["local"], key=lambda sample: sample["doc_id"])
    # With a filter for each metric the harness repeats its samples.
    logs = {sample["doc_id"]: [float(each[0]) for each in sample["filtered_resps"]] for sample in samples}
    scores = {name.split(",")[0]: value for name, value in found["results"]["local"].items()}
    return scores, [logs[item] for item in range(ITEMS)]


@pytest.mark.parametrize("name", ["hellaswag", "storycloze"])
def test_parity(llama: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.tasks.hellaswag.utils import process_docs

    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    if name == "hellaswag":
        path = write_hellaswag(tmp_path / "items.jsonl")
        config: dict[str, Any] = {
            "dataset_path": "json",
            "process_docs": process_docs,
            "doc_to_text": "{{query}}",
            "doc_to_target": "{{label}}",
            "doc_to_choice": "choices",
        }
    else:
        path = write_storycloze(tmp_path / "items.csv")
        sentences = ", ".join(f"input_sentence_{n}" for n in range(1, 5))
        config = {
            "dataset_path": "csv",
            "doc_to_text": "{{[" + sentences + "]|join(' ')}}",
            "doc_to_target": "{{answer_right_ending-1}}",
            "doc_to_choice": "{{[sentence_quiz1, sentence_quiz2]}}",
        }
    config["dataset_kwargs"] = {"data_files": {"validation": str(path)}}
    theirs, their_logs = harness(llama, config, tmp_path)

    store = Store(tmp_path / "root")
    loaded = load_model(model_artifact(store, "llama", baseline_config(), as_baseline(llama)))
    scores = score_items(loaded, read_items(name, path), "t-t", {})
    for score, logs in zip(scores, their_logs, strict=True):
        assert score.log_probs_E == pytest.approx(logs, abs=1e-3)
    accuracies = summarise(get_task(name), scores)["accuracies"]
    ours = {key: row["value"] for key, row in accuracies.items()}
    assert ours["accuracy"] == pytest.approx(theirs["acc"])
    assert ours["accuracy_per_char"] == pytest.approx(theirs["acc_norm"])
    assert ours["accuracy_per_byte"] == pytest.approx(theirs["acc_bytes"])
    assert len({round(value, 6) for value in ours.values()}) > 1, "the items don't tell the accuracies apart"
