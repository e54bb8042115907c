"""``lst eval`` from end to end, on a small random model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lst_cli.artifacts import Artifact, Request, Store
from lst_cli.audio.corpus_artifact import CORPUS
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import SCORES, file_sum
from lst_cli.main import app
from tests.inference.models import (
    UNITS,
    baseline_config,
    latent_config,
    model_artifact,
    quantizer_artifact,
    random_model,
    tokens_artifact,
)

HEADER = "storyid,sentence1,sentence2,sentence3,sentence4,sentencequiz1,sentencequiz2,AnswerRightEnding\n"


def run(root: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--root", str(root), *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def stories(tmp_path: Path) -> Path:
    rows = [f"s{n},the cat sat,on a mat,the dog ran,to a tree,birds sang {n},in the sun,{1 + n % 2}" for n in range(9)]
    path = tmp_path / "stories.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def models(tmp_path: Path) -> list[Artifact]:
    store = Store(tmp_path / "root")
    configs = {"base": baseline_config(), "lst": latent_config()}
    return [model_artifact(store, name, config, random_model(config)) for name, config in configs.items()]


@pytest.fixture
def tokens(tmp_path: Path) -> Artifact:
    store = Store(tmp_path / "root")
    units = {
        f"s{n}/{part}": [(n * 7 + k * k + len(part)) % UNITS for k in range(3 + n % 4 + len(part))]
        for n in range(9)
        for part in ("prompt", "ending1", "ending2")
    }
    return tokens_artifact(store, "spoken", units, quantizer_artifact(store))


def test_scores_hold_everything(tmp_path: Path, stories: Path, models: list[Artifact], tokens: Artifact) -> None:
    root = tmp_path / "root"
    arguments = ["eval", "storycloze", "model/lst", "--items", str(stories), "--tokens", "tokens/spoken"]
    out = run(root, *arguments, "--directions", "s-s,t-t,s-t,t-s", "--json")
    printed = json.loads(out)
    scores = Store(root).find("scores/lst-storycloze", SCORES)
    assert printed["scores"] == scores.reference
    assert printed["items_sha256"] == file_sum(stories) and printed["task_version"] == 2
    assert printed["model"]["fingerprint"] == models[1].fingerprint
    assert printed["model"]["quantizer"]["fingerprint"] == quantizer_artifact(Store(root)).fingerprint
    assert [row["direction"] for row in printed["results"]] == ["s-s", "t-t", "s-t", "t-s"]
    assert all(row["n"] == 9 and row["low"] <= row["accuracy"] <= row["high"] for row in printed["results"])
    assert {role: parent.kind for role, parent in scores.parents.items()} == {"model": "model", "tokens": "tokens"}
    assert [record.rows for record in scores.files if record.path == "items.parquet"] == [36]
    run(root, *arguments, "--directions", "s-s,t-t,s-t,t-s")
    assert len([path for path in (root / "scores" / "lst-storycloze").iterdir() if not path.is_symlink()]) == 1


def test_compare(tmp_path: Path, stories: Path, models: list[Artifact]) -> None:
    root = tmp_path / "root"
    for name in ("base", "lst"):
        assert "t-t" in run(root, "eval", "storycloze", f"model/{name}", "--items", str(stories))
    printed = json.loads(run(root, "eval", "compare", "scores/base-storycloze", "scores/lst-storycloze", "--json"))
    (row,) = printed["comparisons"]
    assert row["n"] == 9 and row["b"] - row["a"] == pytest.approx(row["difference"])
    assert "sign test" in run(root, "eval", "compare", "scores/base-storycloze", "scores/lst-storycloze")
    stories.write_text(stories.read_text().replace("birds", "dogs"))
    run(root, "eval", "storycloze", "model/base", "--items", str(stories), "--name", "other")
    with pytest.raises(UserError, match="items_sha256"):
        run(root, "eval", "compare", "scores/other", "scores/lst-storycloze")


def test_items_spoken_by_another_voice_are_not_compared(tmp_path: Path, stories: Path, models: list[Artifact]) -> None:
    root, store = tmp_path / "root", Store(tmp_path / "root")
    for voice, model in (("one", "base"), ("two", "lst"), ("one", "lst")):
        corpus = store.build(Request(kind=CORPUS, name=voice, config={"voice": voice}), lambda draft: None).artifact
        units = {f"s{n}/{part}": [n, 3] for n in range(9) for part in ("prompt", "ending1", "ending2")}
        tokens = tokens_artifact(store, f"{voice}-{model}", units, quantizer_artifact(store), corpus=corpus)
        arguments = ["eval", "storycloze", f"model/{model}", "--items", str(stories), "--tokens", tokens.reference]
        run(root, *arguments, "--directions", "s-s,t-t", "--name", f"{model}-{voice}")
        run(root, *arguments, "--name", f"{model}-{voice}-text")
    assert "s-s" in run(root, "eval", "compare", "scores/base-one", "scores/lst-one")
    assert "t-t" in run(root, "eval", "compare", "scores/base-one", "scores/lst-two-text")
    with pytest.raises(UserError, match=r"corpus/one/.* and in corpus/two/"):
        run(root, "eval", "compare", "scores/base-one", "scores/lst-two")


def test_half_precision_is_another_result(tmp_path: Path, stories: Path, models: list[Artifact]) -> None:
    arguments = ["eval", "storycloze", "model/lst", "--items", str(stories), "--json"]
    exact, rough = (
        json.loads(run(tmp_path / "root", *arguments, "--precision", name)) for name in ("float32", "bfloat16")
    )
    assert exact["scores"] != rough["scores"] and rough["precision"] == "bfloat16"


def test_speech_without_tokens_is_refused(tmp_path: Path, stories: Path, models: list[Artifact]) -> None:
    with pytest.raises(UserError, match="--tokens"):
        run(tmp_path / "root", "eval", "storycloze", "model/lst", "--items", str(stories), "--directions", "s-s")


def test_tokens_of_another_quantizer_are_refused(tmp_path: Path, stories: Path, models: list[Artifact]) -> None:
    store = Store(tmp_path / "root")
    other = tokens_artifact(store, "other", {"s0/prompt": [1]}, models[0])
    arguments = ["eval", "storycloze", "model/lst", "--items", str(stories), "--tokens", other.reference]
    with pytest.raises(UserError, match="another quantizer"):
        run(tmp_path / "root", *arguments, "--directions", "s-s")
    assert not list((tmp_path / "root" / "scores" / "lst-storycloze").glob("*/artifact.json"))


def test_up_to_date_needs_no_torch(tmp_path: Path, stories: Path, models: list[Artifact]) -> None:
    root = tmp_path / "root"
    arguments = ["--root", str(root), "eval", "storycloze", "model/lst", "--items", str(stories)]
    run(*[root, *arguments[2:]])
    code = (
        "import sys; sys.argv = ['lst', *sys.argv[1:]]\n"
        "from lst_cli.main import app\n"
        "app(standalone_mode=False)\n"
        "assert not {'torch', 'numpy', 'pyarrow'} & set(sys.modules), 'heavy imports'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stderr
