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
SIZES = {"spoken": 900, "written": 3000, "items": 240, "hellaswag_items": 120, "heldout": 40}


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
    larger = world.world(seed=0, **{**SIZES, "spoken": 1000})
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
def test_no_training_story_has_a_sign_and_an_ending_of_one_item(seed: int) -> None:
    """Of an item's sign and all of its endings: neither the right pair nor a wrong one was ever read."""
    told = [story for _, story, _ in world.lines(seed, "spoken", 900)]
    read = [story for _, story, _ in world.lines(seed, "written", 3000)]
    pairs = {pair for story in (*told, *read) for pair in story.pairs()}
    kept = world.stories(seed, "evaluation", 120)
    for story in kept:
        (sign,) = (story.need.signs[sign] for sign in story.signs)
        endings = [story.ending, world.wrong_need(story), world.other_topic(story, 0), world.other_topic(story, 1)]
        assert not {(sign, ending) for ending in endings} & pairs
    world.check_held_out([*told, *read], kept)
    with pytest.raises(AssertionError, match="training"):
        world.check_held_out([*told, kept[0]], kept)


@pytest.mark.parametrize("seed", range(3))
def test_what_speech_borrows_is_written_only(seed: int) -> None:
    """Of the borrowed topic each sign and ending is spoken by itself and in no other story; written joined."""
    needs = world.BORROWED.needs
    signs, endings = ({text for need in needs for text in getattr(need, part)} for part in ("signs", "endings"))
    spoken = [text for _, _, text in world.lines(seed, "spoken", 900)]
    single = {text for text in spoken if text.count(".") == 1}
    assert single == signs | endings
    assert not any(sentence in text for text in spoken if text not in single for sentence in single)
    pairs = {pair for _, story, _ in world.lines(seed, "written", 3000) for pair in story.pairs()}
    for story in world.stories(seed, "transfer", 48):
        assert story.pairs() <= pairs


def test_most_pairs_of_a_need_are_read(files: dict[str, str]) -> None:
    """Only one pair in six is held out: from more, a model learns that the right ending never follows its sign."""
    pairs = {pair for _, story, _ in world.lines(0, "written", 3000) for pair in story.pairs()}
    needs = [need for topic in world.TOPICS for need in topic.needs]
    possible = {(sign, ending) for need in needs for sign in need.signs for ending in need.endings}
    assert len(possible & pairs) == len(possible) * 5 // 6


def _ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    words = text.split()
    return list(zip(*(words[i:] for i in range(n)), strict=False))


@pytest.mark.parametrize("n", range(1, 13))
def test_no_ngram_of_training_decides_an_item(files: dict[str, str], n: int) -> None:
    """The ending whose words, after the prompt's last ones, were read more often is right about half of the time.

    Twelve words reach over the ending and at least one neutral sentence; from the ending to the signs it is further.
    """
    training = [line.split("\t")[-1] for line in (files["spoken.tsv"] + files["written.txt"]).splitlines()]
    seen = Counter(gram for story in training for gram in _ngrams(story, n))
    items = _items(files["storycloze.csv"]) + _items(files["topicstorycloze.csv"])
    credit = 0.0
    for item in items:
        context = _prompt(item).split()[-(n - 1) :] if n > 1 else []
        right, wrong = (
            sum(seen[gram] > 0 for gram in _ngrams(" ".join([*context, ending]), n))
            for ending in (_right(item), _wrong(item))
        )
        credit += 0.5 if right == wrong else float(right > wrong)
    assert credit / len(items) == pytest.approx(0.5, abs=3 * 0.5 / len(items) ** 0.5)


def test_signs_stand_farther_from_the_ending_than_the_local_window_reaches(files: dict[str, str]) -> None:
    """Three neutral sentences lie between. A spoken one takes 25 tokens at least, and the window is 32."""
    signs = {sign for topic in (*world.TOPICS, world.BORROWED) for need in topic.needs for sign in need.signs}
    for item in _items(files["storycloze.csv"]) + _items(files["transfer.csv"]):
        are = [item[f"InputSentence{i}"] in signs for i in (1, 2, 3, 4)]
        assert are == [True, False, False, False]


def test_rules_that_look_at_endings_alone_are_at_chance(files: dict[str, str]) -> None:
    """Of two endings the longer, and the more frequent, is right in exactly half of the items."""
    training = (files["spoken.tsv"] + files["written.txt"]).replace("\n", " ")
    for name in ("storycloze.csv", "topicstorycloze.csv", "transfer.csv"):
        items = _items(files[name])
        for rule in (len, lambda ending: len(ending.split()), training.count):
            scores = [(rule(_right(item)), rule(_wrong(item))) for item in items]
            assert sum(a > b for a, b in scores) == sum(a < b for a, b in scores)


def test_every_word_of_the_evaluation_is_heard_in_training(files: dict[str, str]) -> None:
    heard = set(files["spoken.tsv"].split())
    for name in ("storycloze.csv", "topicstorycloze.csv"):
        for item in _items(files[name]):
            assert set(f"{_prompt(item)} {_right(item)} {_wrong(item)}".split()) <= heard


def test_the_ending_follows_from_the_need_and_every_item_has_one_right_answer(files: dict[str, str]) -> None:
    needs = [need for topic in (*world.TOPICS, world.BORROWED) for need in topic.needs]
    sentences = [text for need in needs for text in (*need.signs, *need.endings)]
    assert len(set(sentences)) == len(sentences)
    assert {(len(need.signs), len(need.endings)) for need in needs} == {(6, 6)}
    stories = world.stories(0, "evaluation", SIZES["items"])
    for story, item in zip(stories, _items(files["storycloze.csv"]), strict=True):
        other = [ending for need in story.topic.needs if need is not story.need for ending in need.endings]
        assert _right(item) in story.need.endings and _wrong(item) in other
    for story, item in zip(stories, _items(files["topicstorycloze.csv"]), strict=True):
        same_topic = [ending for need in story.topic.needs for ending in need.endings]
        assert _right(item) == story.ending and _wrong(item) not in same_topic


def test_answers_are_balanced_and_wrong_endings_are_as_frequent_as_right_ones(files: dict[str, str]) -> None:
    items = _items(files["storycloze.csv"])
    assert 0.4 < Counter(item["AnswerRightEnding"] for item in items)["1"] / len(items) < 0.6
    right, wrong = Counter(map(_right, items)), Counter(map(_wrong, items))
    assert right == wrong
    labels = Counter(json.loads(line)["label"] for line in files["hellaswag.jsonl"].splitlines())
    assert sorted(labels) == [0, 1, 2, 3] and max(labels.values()) < 45


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
