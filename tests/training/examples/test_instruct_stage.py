"""``lst finetune instruct``: answers are learnt in both modalities, questions are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import LstError, UserError
from lst_cli.inference.generate import Prompt, generate
from lst_cli.main import app
from lst_cli.model_artifact.card import MODEL, load_model
from lst_cli.patching.packed import IGNORE, pack_documents
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.text.speech_codec import SpeechCodec
from lst_cli.text.tokenizer import TextTokenizer
from lst_cli.training.engine.validation_unit import ValidationUnit
from lst_cli.training.examples.dialogues_file import as_documents, read_dialogues
from lst_cli.training.examples.sides import SideEncoder
from tests.inference.models import (
    latent_config,
    model_artifact,
    quantizer_artifact,
    random_model,
    tokenizer_bytes,
    tokens_artifact,
    vocabulary,
)
from tests.training.runs import signal_at, sums

CONFIG = {
    "budget": {"steps": 60},
    "data": {"answers_per_step": 6, "held_out": 0.2},
    "optimizer": {"lr": 0.01},
    "schedule": {"warmup_steps": 2},
    "validation": {"every": 30},
    "precision": "float32",
    "log_every": 10,
    "run": {"device": "cpu", "threads": 1, "checkpoint_every": 30, "tensorboard": False},
}


def encoder() -> SideEncoder:
    return SideEncoder(TextTokenizer(tokenizer_bytes()), SpeechCodec(vocabulary(), None), "dialogues")


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_every_answer_is_a_document_with_loss_on_the_answer_and_its_end(tmp_path: Path) -> None:
    turns = ["the cat", {"units": [3, 4]}, {"units": [5]}, "a dog"]
    dialogues = read_dialogues(write(tmp_path / "d", {"id": "x", "turns": turns}), {})
    documents, ids = as_documents(dialogues, encoder())
    words, cat, dog = vocabulary(), *(encoder().tokens(text).tolist() for text in ("the cat", "a dog"))
    start, s, t = words.speech_start, words.s_marker, words.t_marker
    first = [t, *cat, s, start + 3, start + 4, words.eos]
    assert ids == ["x", "x"] and documents[0].tokens.tolist() == first
    assert documents[1].tokens.tolist() == [*first[:-1], s, start + 5, t, *dog, words.eos]
    targets = pack_documents(documents, words, Patcher(PatchingConfig(size=4)), "static").targets_T
    assert targets[targets != IGNORE].tolist() == [start + 3, start + 4, words.eos, *dog, words.eos]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"turns": ["a"]}, "turns is not a list of alternating questions"),
        ({"turns": []}, "turns is not a list of alternating questions"),
        ({"turns": ["a", ""]}, "turn 2: an empty text"),
        ({"turns": [{"utterance": "x"}, "a"]}, "turn 1: no utterance x"),
        ({"turns": ["a", "b"], "system": "c"}, "unknown key system"),
        ({"turns": ["a", "b"], "id": "1"}, "the id 1 is used twice"),
    ],
)
def test_faults_are_named_with_their_lines(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "d", {"turns": ["a", "b"]}, row)
    with pytest.raises(UserError, match=f"line 2: .*{message}"):
        read_dialogues(path, {})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world in which the answer to a text is units, and the answer to units is that text."""
    folder = tmp_path_factory.mktemp("store")
    store = Store(folder)
    model_artifact(store, "lst", latent_config(), random_model(latent_config()))
    said = {"the cat": [1, 2, 3], "a dog": [7, 8, 9, 10]}
    tokens_artifact(store, "said", {text.split()[1]: units for text, units in said.items()}, quantizer_artifact(store))
    rows = [
        {"id": f"{text}{n}", "turns": [text, {"units": units}] if n % 2 else [{"utterance": text.split()[1]}, text]}
        for text, units in said.items()
        for n in range(20)
    ]
    write(folder / "dialogues.jsonl", *rows)
    (folder / "instruct.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


def tune(root: Path, name: str, *changes: str) -> Artifact:
    sets = [part for change in changes for part in ("--set", change)]
    inputs = ["--model", "model/lst", "--dialogues", str(root / "dialogues.jsonl"), "--tokens", "tokens/said"]
    command = ["--root", str(root), "finetune", "instruct", str(root / "instruct.yaml"), *inputs, "--name", name, *sets]
    app(command, standalone_mode=False)
    return Store(root).find(f"model/{name}", MODEL)


def test_answers_are_learnt_in_both_directions(root: Path) -> None:
    model = tune(root, "answering")
    records = [json.loads(line) for line in model.file("metrics.jsonl").read_text().splitlines()]
    valid = [line for line in records if line["split"] == "valid"]
    assert valid[-1]["loss_speech"] < 0.5 and valid[-1]["loss_text_with_speech"] < 0.5
    assert model.config["task"] == "instruct" and "dialogues_sha256" in model.config
    loaded, words = load_model(model), vocabulary()
    question = [words.t_marker, *encoder().tokens("a dog"), words.s_marker]
    (answer,) = generate(loaded, [Prompt(tokens=np.array(question, np.int32), limit=9)], "speech")
    assert loaded.speech.decode(np.array(answer.tokens)).tolist() == [7, 8, 9, 10] and answer.ended


def test_a_stop_leaves_no_trace(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = ("run.micro_batch_size=2", "seed=1", "budget.steps=20", "validation.every=10")
    whole = tune(root, "whole", *changes)
    with monkeypatch.context() as patch:
        signal_at(patch, ValidationUnit, 2)
        with pytest.raises(LstError, match="stopped at step 10 of 20"):
            tune(root, "stopped", *changes)
    assert sums(tune(root, "stopped", *changes)) == sums(whole)
