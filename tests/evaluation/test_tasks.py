"""The task readers: the published formats, and a clear error for every way a file can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks import TASKS, Item, get_task, read_items

HEADER = (
    "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,"
    "RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2,AnswerRightEnding\n"
)
RICK = '138d,Rick grew up.,"He, alas, was alone.",He ran.,He slept.,He is happy.,He sings.,1\n'
ANNA = "aa07,Anna woke.,She ate.,She left.,It rained.,She got dry.,She got wet.,2\n"


def hella(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "ind": 24,
        "activity_label": "Roof shingle removal",
        "ctx_a": "A man is sitting on a roof.",
        "ctx_b": "he",
        "ctx": "A man is sitting on a roof. he",
        "split": "val",
        "source_id": "activitynet~v_-JhWjGDPHMY",
        "endings": [
            "is using wrap.",
            "is ripping level tiles off.",
            "is holding a cube.",
            "starts pulling up roofing.",
        ],
        "label": 3,
    }
    row.update(changes)
    return row


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("task", ["storycloze", "topicstorycloze"])
def test_reads_the_official_csv(tmp_path: Path, task: str) -> None:
    items = read_items(task, write(tmp_path / "s.csv", HEADER + RICK + "\n" + ANNA))
    assert items == [
        Item("138d", "Rick grew up. He, alas, was alone. He ran. He slept.", ("He is happy.", "He sings."), 0),
        Item("aa07", "Anna woke. She ate. She left. It rained.", ("She got dry.", "She got wet."), 1),
    ]


@pytest.mark.parametrize(
    "header",
    [
        "storyid,sentence1,sentence2,sentence3,sentence4,RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2,AnswerRightEnding\n",
        "story_id,input_sentence_1,input_sentence_2,input_sentence_3,input_sentence_4,sentence_quiz1,sentence_quiz2,"
        "answer_right_ending\n",
        "\ufeff" + HEADER,
    ],
)
def test_reads_the_other_spellings(tmp_path: Path, header: str) -> None:
    expected = read_items("storycloze", write(tmp_path / "official.csv", HEADER + RICK))
    assert read_items("storycloze", write(tmp_path / "other.csv", header + RICK)) == expected


def test_reads_tabs(tmp_path: Path) -> None:
    text = (HEADER + ANNA).replace(",", "\t")
    assert read_items("storycloze", write(tmp_path / "s.tsv", text))[0].label == 1


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    names, cells = HEADER.strip().split(","), ANNA.strip().split(",")
    text = ",".join(reversed(names)) + "\n" + ",".join(reversed(cells)) + "\n"
    assert read_items("storycloze", write(tmp_path / "s.csv", text))[0].prompt.startswith("Anna woke.")


def test_hellaswag_cleans_as_the_harness(tmp_path: Path) -> None:
    wiki = hella(
        ind=7,
        activity_label="Family Life",
        ctx_a="[header] How to rest [title] Lie down. [step] Breathe.",
        ctx_b="",
        endings=[" [substeps] Sleep.", "Sleep  well [title] now", "Run.", "Jump."],
        label="2",
        source_id="wikihow~11",
    )
    first, second = read_items("hellaswag", jsonl(tmp_path / "h.jsonl", hella(), wiki))
    assert first.id == "24"
    assert first.prompt == "Roof shingle removal: A man is sitting on a roof. He"
    assert first.endings[3] == "starts pulling up roofing." and first.label == 3
    assert second.prompt == "Family Life: How to rest. Lie down. Breathe."
    assert second.endings == (" Sleep.", "Sleep well. now", "Run.", "Jump.") and second.label == 2


def test_hellaswag_tells_equal_ids_of_two_sources_apart(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "h.jsonl", hella(), hella(source_id="wikihow~1"), hella(ind=5))
    assert [item.id for item in read_items("hellaswag", path)] == ["activitynet-24", "wikihow-24", "5"]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["empty"]),
        ("\n \n", ["empty"]),
        (HEADER, ["no item"]),
        (HEADER.replace("AnswerRightEnding", "answer") + RICK, ["AnswerRightEnding", "answer", "rename"]),
        (HEADER + RICK.replace(",1\n", ",3\n"), ["line 2", "AnswerRightEnding is '3'"]),
        (HEADER + RICK.replace(",1\n", ",\n"), ["line 2", "no AnswerRightEnding"]),
        (HEADER + ANNA + RICK.replace("He sings.", " "), ["line 3", "no RandomFifthSentenceQuiz2"]),
        (HEADER + RICK + ANNA + RICK, ["138d (items 1, 3)"]),
        (HEADER + '1,"broken\n', ["not well-formed", "line 2"]),
        (HEADER + "a,b\n" * 30, ["30 faulty rows", "and 20 more"]),
    ],
)
def test_story_faults_are_named(tmp_path: Path, text: str, messages: list[str]) -> None:
    path = write(tmp_path / "stories.csv", text)
    with pytest.raises(UserError) as caught:
        read_items("storycloze", path)
    for message in ["stories.csv", *messages]:
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (hella(label=4), "label is 4 with 4 endings"),
        (hella(label=-1), "label is -1"),
        (hella(label="b"), "label is 'b'"),
        (hella(endings=["one"]), "endings is not a list of two or more"),
        (hella(endings=["one", "[title]"]), "ending 1 is empty"),
        (hella(endings=["one", None]), "ending 1 is empty"),
        (hella(ctx_b=None), "no ctx_b"),
        (hella(ctx_a=3), "ctx_a is not text"),
        ({"sentence": "?"}, "no ind, activity_label"),
    ],
)
def test_hellaswag_faults_are_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = jsonl(tmp_path / "h.jsonl", hella(ind=1), row)
    with pytest.raises(UserError) as caught:
        read_items("hellaswag", path)
    assert "h.jsonl" in str(caught.value) and "line 2" in str(caught.value) and message in str(caught.value)


def test_hellaswag_without_labels_names_the_split(tmp_path: Path) -> None:
    row = hella()
    del row["label"]
    with pytest.raises(UserError, match="validation split"):
        read_items("hellaswag", jsonl(tmp_path / "test.jsonl", row, row))


def test_duplicate_hellaswag_ids(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"24 \(items 1, 2\)"):
        read_items("hellaswag", jsonl(tmp_path / "h.jsonl", hella(source_id=None), hella(source_id=None)))


def test_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes((HEADER + RICK).encode() + ANNA.replace("Anna", "Zoë").encode("latin-1"))
    with pytest.raises(UserError, match=r"not a text file(.|\n)*not UTF-8(.|\n)*line 3"):
        read_items("storycloze", path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_items("hellaswag", tmp_path / "gone.jsonl")
    with pytest.raises(UserError, match="can't be read"):
        read_items("hellaswag", tmp_path)


def test_unknown_task() -> None:
    with pytest.raises(UserError, match="storycloze"):
        get_task("storyclose")


def test_tasks_have_versions() -> None:
    assert all(task.version >= 1 and task.about and name == task.name for name, task in TASKS.items())
