"""The spoken releases of StoryCloze and TopicStoryCloze: whole stories as recordings, without their text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import file_sum
from lst_cli.evaluation.stories_in_training import read_stories
from lst_cli.evaluation.tasks import Item, read_items
from lst_cli.main import app
from lst_cli.units.tokens import TOKENS
from tests.inference.models import (
    UNITS,
    latent_config,
    model_artifact,
    quantizer_artifact,
    random_model,
    tokens_artifact,
)


def release(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"RIFF" + name.encode())
    return folder


@pytest.fixture
def stories(tmp_path: Path) -> Path:
    stems = ("0_b929f263-1dcd_correct", "1_b929f263-1dcd_incorrect", "10_a_b_correct", "11_a_b_incorrect")
    return release(tmp_path / "tSC", *(f"{stem}.wav" for stem in stems), ".DS_Store", "README.txt")


def run(root: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--root", str(root), *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


@pytest.mark.parametrize("task", ["storycloze", "topicstorycloze"])
def test_recordings_are_paired_by_their_story(stories: Path, task: str) -> None:
    pairs = [("0_b929f263-1dcd_correct", "1_b929f263-1dcd_incorrect"), ("10_a_b_correct", "11_a_b_incorrect")]
    assert read_items(task, stories) == [
        Item(name, "", pair, 0, utterances=pair, recorded=True)
        for name, pair in zip(("b929f263-1dcd", "a_b"), pairs, strict=True)
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no recordings"),
        (("0_x_correct.wav",), "story x has 0_x_correct alone, and no incorrect one"),
        (("0_x_correct.wav", "1_x_incorrect.wav", "2_x_correct.wav"), "has this ending already"),
        (("0_x_correct.wav", "1_x_wrong.wav"), "1_x_wrong.wav ends neither"),
    ],
)
def test_faults_are_named(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_items("topicstorycloze", release(tmp_path / "tSC", *names))


def test_they_are_scored_speech_to_speech_and_in_no_other_direction(tmp_path: Path, stories: Path) -> None:
    root = tmp_path / "root"
    store = Store(root)
    model_artifact(store, "lst", latent_config(), random_model(latent_config()))
    names = [name for item in read_items("topicstorycloze", stories) for name in item.spoken]
    units = {name: [(k * k + n) % UNITS for k in range(9 + n)] for n, name in enumerate(names)}
    tokens_artifact(store, "tsc", units, quantizer_artifact(store))
    arguments = ["eval", "topicstorycloze", "model/lst", "--items", str(stories), "--tokens", "tokens/tsc"]
    printed = json.loads(run(root, *arguments, "--directions", "s-s", "--json"))
    assert printed["items_sha256"] == file_sum(stories) and printed["results"][0]["n"] == 2
    for directions in ("s-s,t-t", "t-t"):
        with pytest.raises(UserError, match="the direction t-t needs the items' text"):
            run(root, *arguments, "--directions", directions)
    with pytest.raises(UserError, match=r"t-t needs the items' text[\s\S]*give the CSV"):
        read_stories([f"topicstorycloze:{stories}"], Store(root).find("tokens/tsc", TOKENS))
    with pytest.raises(UserError, match="no text to speak"):
        run(root, "corpus", "synth", "--items", f"topicstorycloze:{stories}", "--name", "tsc", "--voice", "x")


def test_the_sum_of_a_folder_is_that_of_names_and_contents(stories: Path) -> None:
    sums = {file_sum(stories)}
    (stories / ".DS_Store").write_bytes(b"what a file browser leaves")
    sums.add(file_sum(stories))
    (stories / "0_b929f263-1dcd_correct.wav").write_bytes(b"other")
    sums.add(file_sum(stories))
    (stories / "0_b929f263-1dcd_correct.wav").rename(stories / "0_c_correct.wav")
    sums.add(file_sum(stories))
    assert len(sums) == 3
