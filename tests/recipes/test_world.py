from __future__ import annotations

import csv
import importlib.util
import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

RECIPE = Path(__file__).parents[2] / "recipes" / "tiny"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tiny_{name}", RECIPE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


sys.path.insert(0, str(RECIPE))  # where a script's own folder is
world = _load("world")
SIZES = {"spoken": 600, "written": 3000, "items": 240, "hellaswag_items": 120, "heldout": 40}


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    made: dict[str, str] = world.world(seed=0, **SIZES)
    return made


def _items(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def _prompt(item: dict[str, str]) -> str:
    return " ".join(item[f"InputSentence{i}"] for i in (1, 2, 3, 4))


def _right(item: dict[str, str]) -> str:
    return item["RandomFifthSentenceQuiz" + item["AnswerRightEnding"]]


def _wrong(item: dict[str, str]) -> str:
    return item["RandomFifthSentenceQuiz" + {"1": "2", "2": "1"}[item["AnswerRightEnding"]]]


def test_same_seed_same_world_other_seed_another(files: dict[str, str]) -> None:
    assert world.world(seed=0, **SIZES) == files
    assert world.world(seed=1, **SIZES)["spoken.tsv"] != files["spoken.tsv"]


def test_a_larger_world_begins_with_the_smaller_one(files: dict[str, str]) -> None:
    larger = world.world(seed=0, **{**SIZES, "spoken": 700})
    assert larger["spoken.tsv"].startswith(files["spoken.tsv"])
    assert larger["storycloze.csv"] == files["storycloze.csv"]


def test_nothing_of_the_evaluation_is_in_training(files: dict[str, str]) -> None:
    training = files["spoken.tsv"] + files["written.txt"]
    for name in ("storycloze.csv", "topicstorycloze.csv"):
        for item in _items(files[name]):
            assert _prompt(item) not in training
    for line in files["hellaswag.jsonl"].splitlines():
        assert json.loads(line)["ctx"] not in training
    for line in files["heldout.tsv"].splitlines():
        assert line.split("\t")[1] not in training


@pytest.mark.parametrize("seed", range(3))
def test_person_thing_and_need_are_held_out_together(seed: int) -> None:
    told = list(world.stories(seed, "spoken", 500))
    kept = list(world.stories(seed, "evaluation", 200, evaluation=True))
    assert not {s.combination for s in told} & {s.combination for s in kept}
    world.check_held_out(told, kept)
    with pytest.raises(AssertionError, match="training"):
        world.check_held_out([*told, kept[0]], kept)


def test_every_word_of_the_evaluation_is_heard_in_training(files: dict[str, str]) -> None:
    heard = set(files["spoken.tsv"].split())
    for name in ("storycloze.csv", "topicstorycloze.csv"):
        for item in _items(files[name]):
            assert set(f"{_prompt(item)} {_right(item)} {_wrong(item)}".split()) <= heard


def test_the_ending_follows_from_the_need_and_every_item_has_one_right_answer(files: dict[str, str]) -> None:
    needs = [need for topic in world.TOPICS for need in topic.needs]
    endings = [ending for need in needs for ending in need.endings]
    assert len(set(endings)) == len(endings)
    stories = list(world.stories(0, "evaluation", SIZES["items"], evaluation=True))
    for story, item in zip(stories, _items(files["storycloze.csv"]), strict=True):
        fitting = [ending.format(they=story.they) for ending in story.need.endings]
        other = [e.format(they=story.they) for n in story.topic.needs if n is not story.need for e in n.endings]
        assert _right(item) in fitting and _wrong(item) in other
    for story, item in zip(stories, _items(files["topicstorycloze.csv"]), strict=True):
        same_topic = [e.format(they=story.they) for n in story.topic.needs for e in n.endings]
        assert _right(item) == story.ending and _wrong(item) not in same_topic


def test_answers_are_balanced_and_wrong_endings_are_as_frequent_as_right_ones(files: dict[str, str]) -> None:
    items = _items(files["storycloze.csv"])
    assert 0.4 < Counter(item["AnswerRightEnding"] for item in items)["1"] / len(items) < 0.6
    right, wrong = Counter(map(_right, items)), Counter(map(_wrong, items))
    assert set(right) == set(wrong)
    labels = Counter(json.loads(line)["label"] for line in files["hellaswag.jsonl"].splitlines())
    assert sorted(labels) == [0, 1, 2, 3] and max(labels.values()) < 50


def test_hellaswag_lines_have_the_published_fields_and_four_different_endings(files: dict[str, str]) -> None:
    rows = [json.loads(line) for line in files["hellaswag.jsonl"].splitlines()]
    assert len(rows) == SIZES["hellaswag_items"]
    for row in rows:
        assert {"ind", "activity_label", "ctx_a", "ctx_b", "ctx", "endings", "label", "source_id"} <= set(row)
        assert len(set(row["endings"])) == 4 and 0 <= row["label"] < 4


def test_files_are_written_once_and_left_alone_when_unchanged(tmp_path: Path) -> None:
    sizes = {"spoken": 20, "written": 30, "items": 10, "hellaswag": 5, "heldout": 5}
    arguments = [str(tmp_path), *(f"--{name}={size}" for name, size in sizes.items())]
    world.main(arguments)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / "storycloze.csv").write_text("half", encoding="utf-8")
    world.main(arguments)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert [name for name in before if after[name] != before[name]] == ["storycloze.csv"]
    assert len(_items((tmp_path / "storycloze.csv").read_text(encoding="utf-8"))) == 10
