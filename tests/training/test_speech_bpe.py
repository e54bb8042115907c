"""The BPE SpeechLLM from shards to scores: a baseline over merged speech tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.evaluation.directions import build_questions
from lst_cli.evaluation.tasks import Item
from lst_cli.inference.likelihood import log_probabilities
from lst_cli.main import app
from lst_cli.model_artifact.card import MODEL, load_model, read_card
from lst_cli.shards.shard_set import ShardSet
from lst_cli.text.speech_bpe import SpeechBpe
from tests.inference.models import tokens_artifact
from tests.training.runs import BASELINE, CONFIG, pretrain
from tests.training.world import UNITS, make_world, spoken

PIECES = 60
BPE = ("--speech-bpe", "speech_bpe/b")
STORIES = "storyid,sentence1,sentence2,sentence3,sentence4,sentencequiz1,sentencequiz2,AnswerRightEnding\n" + "".join(
    f"s{n},the cat,sat on,a red,mat and,saw two,dogs run,{1 + n % 2}\n" for n in range(4)
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder)
    lst(folder, "shards", "bpe", "shards/speech", "--pieces", str(PIECES), "--name", "b")
    return folder


@pytest.fixture(scope="module")
def merged(root: Path) -> Artifact:
    return pretrain(root, "merged", *BASELINE, options=BPE)


def lst(root: Path, *arguments: object) -> None:
    app(["--root", str(root), *map(str, arguments)], standalone_mode=False)


def curve(artifact: Artifact) -> list[dict[str, Any]]:
    return [json.loads(line) for line in artifact.file("metrics.jsonl").read_text().splitlines()]


def units(*words: int) -> list[int]:
    return [unit for word in words for unit in [*spoken(word), 0]]


def test_the_model_holds_its_bpe(merged: Artifact) -> None:
    loaded = load_model(merged)
    assert loaded.card.vocabulary.units == PIECES and loaded.speech.units == UNITS
    assert loaded.card.speech_bpe is not None and loaded.card.speech_bpe["reference"].startswith("speech_bpe/b/")
    assert merged.parents["speech_bpe"].name == "b"
    assert loaded.speech.decode(loaded.speech.encode(np.array(units(1, 2)))).tolist() == units(1, 2)


def test_speech_is_counted_in_speech_tokens(root: Path, merged: Artifact) -> None:
    plain = pretrain(root, "plain", *BASELINE)
    ours, theirs = curve(merged)[-1], curve(plain)[-1]
    assert ours["positions"] == theirs["positions"] == theirs["tokens"] < ours["tokens"]
    # The mixture is 1 : 2 in speech tokens and text, merged or not.
    assert ours["speech_tokens"] / ours["tokens"] == pytest.approx(theirs["speech_tokens"] / theirs["tokens"], rel=0.1)
    assert theirs["patch_length"] == 1 < ours["patch_length"]
    # Pieces are harder to guess than speech tokens, and fewer.
    assert ours["loss_speech"] > theirs["loss_speech"]
    per_piece = ours["loss_speech"] / np.log(2) * 25
    assert ours["speech_bits_per_second"] == pytest.approx(per_piece / ours["patch_length"], rel=0.1)


def test_the_same_data_are_fewer_steps_than_the_baseline_takes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / "data.yaml"
    data = {**CONFIG["data"], "positions": 256}  # type: ignore[dict-item]
    path.write_text(yaml.safe_dump({**CONFIG, "data": data, "budget": {"steps": 400, "mode": "data-controlled"}}))
    shards = ("--shards", "shards/speech", "--text-shards", "shards/text")

    def plan(*changes: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
        sets = [part for change in changes for part in ("--set", change)]
        lst(root, "pretrain", path, *shards, "--name", "x", *sets, *options, "--dry-run", "--json")
        made: dict[str, Any] = json.loads(capsys.readouterr().out)
        return made

    static, baseline, ours = plan("patching.strategy=static"), plan(*BASELINE), plan(*BASELINE, options=BPE)
    assert static["steps"] == 400 < ours["steps"] < baseline["steps"]
    for figure in ("tokens_per_step", "speech_tokens_per_step"):
        read = [each[figure] * each["steps"] for each in (static, baseline, ours)]
        assert read == pytest.approx([read[0]] * 3, rel=0.03)


def test_scores_are_of_speech_tokens(root: Path, merged: Artifact, tmp_path: Path) -> None:
    items = tmp_path / "stories.csv"
    items.write_text(STORIES)
    parts = {"prompt": units(0, 1, 2, 3, 4, 5), "ending1": units(8, 9), "ending2": units(10, 11)}
    said = {f"s{n}/{part}": of_part for n in range(4) for part, of_part in parts.items()}
    quantizer = Store(root).find_any("quantizer/q")
    tokens_artifact(Store(root), "stories", said, quantizer)
    lst(root, "eval", "storycloze", "model/merged", "--items", items, "--tokens", "tokens/stories", "--directions",
        "s-s,s-t,t-s")  # fmt: skip
    scores = Store(root).find_any("scores/merged-storycloze")
    rows = pq.read_table(scores.file("items.parquet")).to_pylist()
    for row in rows:
        if row["direction"] != "s-t":
            assert row["tokens"] == [len(parts["ending1"]), len(parts["ending2"])]
    loaded = load_model(merged)
    item = Item("s0", "the cat", ("a", "b"), 0)
    as_arrays = {name: np.array(of_part) for name, of_part in said.items()}
    (question,) = build_questions([item], "s-s", loaded.tokenizer, loaded.speech, as_arrays)
    start = [loaded.card.vocabulary.s_marker, *loaded.speech.encode(np.array(parts["prompt"]))]
    assert question.prompt_T.tolist() == start
    assert [len(ending) for ending in question.endings] < [len(parts["ending1"]), len(parts["ending2"])]
    ((_, sums),) = log_probabilities(loaded, [question])
    assert sums == pytest.approx(rows[0]["log_probs"], abs=1e-4)
    said_of_model = json.loads(scores.file("scores.json").read_text())["model"]
    assert said_of_model["family"] == "baseline" and "speech_bpe" in said_of_model


def test_export_and_import_keep_it(root: Path, merged: Artifact, tmp_path: Path) -> None:
    lst(root, "export", "model/merged", tmp_path / "out")
    lst(tmp_path / "other", "import", tmp_path / "out", "--name", "back")
    back = load_model(Store(tmp_path / "other").find("model/back", MODEL))
    heard = [model.speech.encode(np.array(units(3))).tolist() for model in (back, load_model(merged))]
    assert heard[0] == heard[1]
    (tmp_path / "out" / "speech_bpe.model").unlink()
    with pytest.raises(UserError, match=r"not an exported model(.|\n)*no speech_bpe\.model"):
        lst(tmp_path / "other", "import", tmp_path / "out", "--name", "again")


def test_fine_tuning_keeps_it(root: Path, merged: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "asr.yaml"
    keys = ("budget", "schedule", "precision", "log_every", "run")
    data = {"positions": 64, "global_batch_size": 2, "streams": 2, "held_out": 0.1}
    config.write_text(yaml.safe_dump({**{key: CONFIG[key] for key in keys}, "data": data, "validation": {"every": 10}}))
    lst(root, "finetune", "asr", config, "--model", "model/merged", "--shards", "shards/speech", "--name", "asr")
    tuned = Store(root).find("model/asr", MODEL)
    assert read_card(tuned).speech_bpe == read_card(merged).speech_bpe
    assert tuned.file("speech_bpe.model").read_bytes() == merged.file("speech_bpe.model").read_bytes()
    tokens_artifact(Store(root), "clip", {"a": units(1, 2), "b": units(4)}, Store(root).find_any("quantizer/q"))
    lst(root, "transcribe", "model/asr", "tokens/clip", "--json")
    assert [clip["clip"] for clip in json.loads(capsys.readouterr().out)["clips"]] == ["a", "b"]


def test_it_goes_on_in_speech_tokens(root: Path, merged: Artifact, capsys: pytest.CaptureFixture[str]) -> None:
    lst(root, "continue", "model/merged", "--text", "the cat", "--into", "speech", "--tokens", "9", "--json")
    (found,) = json.loads(capsys.readouterr().out)
    assert found["units"] and max(found["units"]) < UNITS


def test_an_lst_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="only a baseline reads merged speech tokens") as error:
        pretrain(root, "latent", options=BPE)
    assert "model.architecture: lst_tiny" in (error.value.found or "")


def test_a_bpe_of_other_speech_tokens_is_refused(root: Path) -> None:
    from lst_cli.artifacts import Draft, Request
    from lst_cli.text.speech_bpe import MODEL_FILE, SPEECH_BPE, fit

    def make(draft: Draft) -> None:
        (draft.path / MODEL_FILE).write_bytes(fit([np.arange(8)] * 9, 8, 10))

    Store(root).build(Request(kind=SPEECH_BPE, name="other", config={}, parents={}), make)
    with pytest.raises(UserError, match="trained on other speech tokens"):
        pretrain(root, "x", *BASELINE, options=("--speech-bpe", "speech_bpe/other"))


def test_pieces_are_of_the_shards(root: Path) -> None:
    bpe = SpeechBpe.from_file(Store(root).find_any("speech_bpe/b").file("speech_bpe.model"))
    assert bpe.units == ShardSet.of(Store(root).find_any("shards/speech")).info.units
