"""ZeroSpeech pairs, BIG-bench and JSONL choices: formats, faults, and the mean over voices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lst_cli.errors import UserError
from lst_cli.evaluation.choice import ItemScore, summarise
from lst_cli.evaluation.tasks import TASKS, Item, read_items

LEXICAL = "id,filename,voice,frequency,word,phones,length,correct\n"
SYNTACTIC = "id,filename,voice,type,subtype,transcription,correct\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_swuggy(tmp_path: Path) -> None:
    rows = (
        "7,aAA,A,12,brick,B R IH K,4,1\n"
        "7,bBB,A,0,blick,B L IH K,4,0\n"
        "7,cCC.wav,B,12,brick,B R IH K,4,1\n"
        "7,dDD.wav,B,0,blick,B L IH K,4,0\n"
        "8,eEE,A,0,zyme,Z AY M,3,1\n"
        "8,fFF,A,0,zype,Z AY P,3,0\n"
    )
    items = read_items("swuggy", write(tmp_path / "gold.csv", LEXICAL + rows))
    assert [item.id for item in items] == ["7/A", "7/B", "8/A"]
    assert items[1] == Item(
        id="7/B", prompt="", endings=("brick", "blick"), label=0, utterances=("cCC", "dDD"), group="7", category="6-20"
    )
    assert items[2].category == "oov" and items[1].spoken == ("cCC", "dDD")


def test_sblimp_ids_belong_to_their_subtype(tmp_path: Path) -> None:
    rows = (
        "1,a,A,agreement,number,the cats sleep,1\n"
        "1,b,A,agreement,number,the cats sleeps,0\n"
        "1,c,A,binding,domain,she sees herself,1\n"
        "1,d,A,binding,domain,she sees himself,0\n"
    )
    items = read_items("sblimp", write(tmp_path / "gold.csv", SYNTACTIC + rows))
    assert [(item.group, item.category) for item in items] == [
        ("agreement/number/1", "agreement"),
        ("binding/domain/1", "binding"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LEXICAL.replace("correct", "right") + "7,a,A,1,x,X,1,1\n", "no column correct"),
        (LEXICAL + "7,a,A,1,x,X,1,1\n", "line 2: pair 7 has no partner in voice A"),
        (LEXICAL + "7,a,A,1,x,X,1,1\n7,b,A,1,y,Y,1,1\n", "line 3: pair 7 has its correct=1 twice"),
        (LEXICAL + "7,a,A,1,x,X,1,2\n", "correct is '2'"),
        (LEXICAL + "7,a,A,1,,X,1,1\n", "no word"),
    ],
)
def test_faults_of_pairs_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_items("swuggy", write(tmp_path / "gold.csv", text))
    assert message in str(caught.value)


def test_voices_of_a_pair_count_as_one() -> None:
    """Pair 7 is right in one of its two voices, pair 8 in its only one: 1.5 of 2 pairs."""

    def score(name: str, group: str, right: bool, category: str) -> ItemScore:
        item = Item(id=name, prompt="", endings=("a", "b"), label=0, group=group, category=category)
        log_probs = [-1.0, -2.0] if right else [-2.0, -1.0]
        return ItemScore(item=item, direction="s-s", log_probs_E=log_probs, tokens_E=[4, 4])

    scores = [score("7/A", "7", True, "x"), score("7/B", "7", False, "x"), score("8/A", "8", True, "y")]
    row = summarise(TASKS["swuggy"], scores)
    assert (row["accuracy"], row["n"]) == (0.75, 2)
    assert {name: (part["n"], part["value"]) for name, part in row["categories"].items()} == {
        "x": (1, 0.5),
        "y": (1, 1),
    }


def test_choices(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "q", "context": " What? ", "endings": ["this", " that "], "label": 1, "category": "c"},
        {"endings": ["a", "b", "c"], "label": 0, "utterances": ["u1", "u2", "u3"]},
    ]
    items = read_items("choices", write(tmp_path / "c.jsonl", "\n".join(map(json.dumps, rows))))
    assert items == [
        Item("q", "What?", ("this", "that"), 1, category="c"),
        Item("2", "", ("a", "b", "c"), 0, utterances=("u1", "u2", "u3")),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"endings": ["a", "b"]}, "no label"),
        ({"ending": ["a", "b"], "label": 0}, "no endings"),
        ({"endings": ["a", " "], "label": 0}, "ending 1 is empty"),
        ({"endings": ["a", "b"], "label": 2}, "label is 2 with 2 endings"),
        ({"endings": ["a", "b"], "label": True}, "label is True"),
        ({"endings": ["a", "b"], "label": "1"}, "label is '1'"),
        ({"endings": ["a", "b"], "label": 0, "context": 7}, "context is not text"),
        ({"endings": ["a", "b"], "label": 0, "context": "x", "utterances": ["u", "v"]}, "not a list of 3 ids"),
        ({"endings": ["a", "b"], "label": 0, "utterances": [1, 2]}, "not a list of 2 ids"),
        ({"endings": ["a", "b"], "label": 0, "id": ["x"]}, "id is neither"),
    ],
)
def test_faults_of_choices_are_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_items("choices", write(tmp_path / "c.jsonl", json.dumps(row)))
    assert "line 1" in str(caught.value) and message in str(caught.value)


def test_what_is_null_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    row = {"id": None, "endings": ["a", "b"], "label": 0, "utterances": None, "category": None}
    assert read_items("choices", write(tmp_path / "c.jsonl", "\n" + json.dumps(row))) == [Item("2", "", ("a", "b"), 0)]


def test_bigbench(tmp_path: Path) -> None:
    data = {"examples": [{"input": " Is ice cold? ", "target_scores": {"no": 0, "yes": 1, "perhaps": 0.5}}]}
    (item,) = read_items("bigbench", write(tmp_path / "task.json", json.dumps(data)))
    assert item == Item("0", "Is ice cold?", ("no", "yes", "perhaps"), 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "not JSON"),
        ({}, "no examples"),
        ({"examples": [{"input": "x", "target": "y"}]}, "example 0: no target_scores"),
        ({"examples": [{"input": "x", "target_scores": {"a": 1, "b": 1}}]}, "share the highest"),
        ({"examples": [{"target_scores": {"a": 1, "b": 0}}]}, "no input"),
        ({"examples": [{"input": "x", "target": ["y", "z"]}]}, "not multiple choice"),
        ({"examples": [{"input": ["x"], "target_scores": {"a": 1, "b": 0}}]}, "no input"),
        ({"examples": [{"input": "x", "target_scores": {"a": None, "b": 0}}]}, "not a number"),
        ({"examples": [{"input": "x", "target_scores": {"a": "1", "b": 0}}]}, "not a number"),
        ({"examples": [{"input": "x", "target_scores": {"a": float("nan"), "b": 0}}]}, "not a number"),
    ],
)
def test_faults_of_bigbench_are_named(tmp_path: Path, data: Any, message: str) -> None:
    text = data if isinstance(data, str) else json.dumps(data)
    with pytest.raises(UserError) as caught:
        read_items("bigbench", write(tmp_path / "task.json", text))
    assert message in str(caught.value)
