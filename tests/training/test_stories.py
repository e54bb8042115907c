"""Stories that are completed while a model is trained: the same scores as ``lst eval``'s, and the same model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import LstError, UserError
from lst_cli.main import app
from lst_cli.model_artifact.card import MODEL
from lst_cli.training.engine import story_unit
from lst_cli.training.engine.train_unit import SpeechTextUnit
from tests.inference.models import tokens_artifact
from tests.training.runs import arguments, pretrain, signal_at, sums
from tests.training.world import WORDS, make_world, spoken

STORIES = 12
EVERY = ("validation.every=10",)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder)
    write_stories(folder)
    return folder


@pytest.fixture(scope="module")
def scored(root: Path) -> Artifact:
    return pretrain(root, "scored", *EVERY, options=options(root))


def options(root: Path) -> list[str]:
    return ["--stories", f"storycloze:{root / 'stories.csv'}", "--stories-tokens", "tokens/stories"]


def write_stories(root: Path) -> None:
    """The right ending is the sentence that goes on; the wrong one begins somewhere else."""
    rows = ["storyid,sentence1,sentence2,sentence3,sentence4,sentencequiz1,sentencequiz2,AnswerRightEnding"]
    units: dict[str, list[int]] = {}
    for number in range(STORIES):
        right, answer = [number + 4, number + 5], 1 + number % 2
        wrong = [(number + 9) % len(WORDS), number % len(WORDS)]
        endings = [right, wrong] if answer == 1 else [wrong, right]
        rows.append(",".join([f"s{number}", *(said([number + n]) for n in range(4)), *map(said, endings), str(answer)]))
        units[f"s{number}/prompt"] = heard(range(number, number + 4))
        units |= {f"s{number}/ending{n + 1}": heard(ending) for n, ending in enumerate(endings)}
    (root / "stories.csv").write_text("\n".join(rows) + "\n")
    tokens_artifact(Store(root), "stories", units, Store(root).find_any("quantizer/q"))


def said(words: Any) -> str:
    return " ".join(WORDS[word % len(WORDS)] for word in words)


def heard(words: Any) -> list[int]:
    return [unit for word in words for unit in [*spoken(word % len(WORDS)), 0]]


def accuracies(artifact: Artifact) -> dict[tuple[int, str], float]:
    lines = [json.loads(line) for line in artifact.file("metrics.jsonl").read_text().splitlines()]
    return {(line["step"], line["source"]): line["story_accuracy"] for line in lines if "story_accuracy" in line}


def test_the_last_line_is_what_eval_says(root: Path, scored: Artifact, capsys: pytest.CaptureFixture[str]) -> None:
    found = accuracies(scored)
    assert set(found) == {(step, f"storycloze-{way}") for step in (10, 20) for way in ("s-s", "t-t")}
    items = ["--items", str(root / "stories.csv"), "--tokens", "tokens/stories", "--directions", "s-s,t-t", "--json"]
    app(["--root", str(root), "eval", "storycloze", "model/scored", *items], standalone_mode=False)
    for row in json.loads(capsys.readouterr().out)["results"]:
        assert found[20, f"storycloze-{row['direction']}"] == pytest.approx(row["accuracy"])


def test_scoring_changes_no_weight(root: Path, scored: Artifact) -> None:
    plain = pretrain(root, "plain")
    assert sums(scored)["model.safetensors"] == sums(plain)["model.safetensors"]
    assert scored.parents["stories_tokens"].name == "stories"


def test_interrupted_and_resumed_is_the_same(root: Path, scored: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    step = SpeechTextUnit.process_batch
    failed: list[int] = []

    def fail_at_13(self: Any, batch: Any, bag: Any) -> Any:
        if self._guard.step == 13 and not failed:
            failed.append(13)
            raise LstError("crash")
        return step(self, batch, bag)

    monkeypatch.setattr(SpeechTextUnit, "process_batch", fail_at_13)
    with pytest.raises(LstError, match="crash"):
        pretrain(root, "again", *EVERY, options=options(root))
    assert sums(pretrain(root, "again", *EVERY, options=options(root))) == sums(scored)


def test_a_stop_does_not_wait_for_the_stories(root: Path, scored: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story_unit, "AT_ONCE", 4)
    with monkeypatch.context() as patch:
        parts = signal_at(patch, story_unit.StoryUnit, 4)  # the first four stories of the second task
        with pytest.raises(LstError, match="stopped at step 10 of 20"):
            pretrain(root, "hurry", *EVERY, options=options(root))
    assert len(parts) == 4
    assert sums(pretrain(root, "hurry", *EVERY, options=options(root))) == sums(scored)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_share_the_stories(root: Path, scored: Artifact, parallel: str) -> None:
    name = f"two-{parallel}"
    command = [*arguments(root, name, *EVERY), *options(root)]
    script = [sys.executable, "-m", "tests.training.runs", "stages", f"2:{parallel}:", *command]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "[0, 0]" in done.stdout, done.stdout + done.stderr
    assert accuracies(Store(root).find(f"model/{name}", MODEL)) == pytest.approx(accuracies(scored), abs=1 / STORIES)


def test_few_stories_and_text_only(root: Path) -> None:
    model = pretrain(root, "few", *EVERY, "validation.stories=5", options=options(root)[:2])
    lines = [json.loads(line) for line in model.file("metrics.jsonl").read_text().splitlines()]
    assert {(line["source"], line["stories"]) for line in lines if "stories" in line} == {("storycloze-t-t", 5)}


def test_what_does_not_fit_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"--stories nothing:x(.|\n)*TASK:FILE"):
        pretrain(root, "x", options=["--stories", "nothing:x"])
    with pytest.raises(UserError, match="--stories-tokens without --stories"):
        pretrain(root, "x", options=["--stories-tokens", "tokens/stories"])
    with pytest.raises(UserError, match=r"validation\.every is 7"):
        pretrain(root, "x", "validation.every=7", options=options(root))
    other = tokens_artifact(Store(root), "less", {"s0/prompt": [1]}, Store(root).find_any("quantizer/q"))
    with pytest.raises(UserError, match="utterances are missing"):
        pretrain(root, "x", *EVERY, options=[*options(root)[:2], "--stories-tokens", other.reference])
