"""Benchmark files as they circulate: no item is lost or changed without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks import read_items

SURROGATE = '{"examples": [{"input": "q", "target_scores": {"a": 1, "b\\ud800": 0}}]}'
COLUMNS = [
    *("InputStoryid", "InputSentence1", "InputSentence2", "InputSentence3", "InputSentence4"),
    *("RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2", "AnswerRightEnding"),
]


def story(number: int, fourth: str = "He slept.", ending: str = "He sings.") -> list[str]:
    return [f"s{number}", "Rick grew up.", "He ran.", "He ate.", fourth, ending, "He is sad.", "1"]


def table(path: Path, separator: str, *rows: list[str]) -> Path:
    path.write_text("".join(separator.join(row) + "\n" for row in [COLUMNS, *rows]), encoding="utf-8")
    return path


def test_a_quotation_mark_in_a_tsv_swallowed_the_next_rows(tmp_path: Path) -> None:
    rows = [story(1), story(2, '"We won'), story(3), story(4, 'he said."')]
    items = read_items("storycloze", table(tmp_path / "s.tsv", "\t", *rows))
    assert [item.id for item in items] == ["s1", "s2", "s3", "s4"]
    assert items[1].prompt.endswith('He ate. "We won') and items[3].prompt.endswith('he said."')


@pytest.mark.parametrize("text", ['"Where is my horse?"', '"Stop!" Ben cried.', 'He said "go"', '"', '"a" or "b"'])
def test_quotation_marks_of_a_tsv_were_lost_or_refused(tmp_path: Path, text: str) -> None:
    (item,) = read_items("storycloze", table(tmp_path / "s.tsv", "\t", story(1, ending=text)))
    assert item.endings[0] == text


def test_a_tsv_cell_that_a_csv_writer_quoted_is_unquoted(tmp_path: Path) -> None:
    row = story(1, '"she said ""go"""', '"""Where is my horse?"""')
    (item,) = read_items("storycloze", table(tmp_path / "s.tsv", "\t", row))
    assert item.prompt.endswith('she said "go"') and item.endings[0] == '"Where is my horse?"'


@pytest.mark.parametrize("last", [3, 4])
def test_an_unclosed_quotation_mark_in_a_csv_swallowed_rows(tmp_path: Path, last: int) -> None:
    rows = [story(1), story(2, '"We won'), story(3), story(4)]
    rows[last - 1][4] = 'he said."'
    with pytest.raises(UserError, match=r"line \d: a quoted cell holds whole rows, from 'We won"):
        read_items("storycloze", table(tmp_path / "s.csv", ",", *rows))


def test_a_csv_cell_may_hold_a_line_break(tmp_path: Path) -> None:
    (item,) = read_items("storycloze", table(tmp_path / "s.csv", ",", story(1, '"He slept,\nand woke."')))
    assert item.prompt.endswith("He slept,\nand woke.")


def test_a_comma_outside_of_quotes_shifted_the_columns(tmp_path: Path) -> None:
    path = table(tmp_path / "s.csv", ",", story(1), story(2, "He slept, and woke."))
    with pytest.raises(UserError, match="line 3: 9 cells under 8 columns"):
        read_items("storycloze", path)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("task", ["hellaswag", "choices"])
def test_a_json_array_was_listed_line_by_line_as_not_json(tmp_path: Path, task: str, indent: int | None) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(json.dumps([{"context": "a", "endings": ["b", "c"], "label": 0}] * 30, indent=indent))
    with pytest.raises(UserError, match=r"one JSON document(.|\n)*an array(.|\n)*jq -c"):
        read_items(task, path)


@pytest.mark.parametrize("bad", ["[" * 100_000, '{"label": "\\udfff"}', '{"label": ' + "9" * 5000 + "}"])
@pytest.mark.parametrize("task", ["hellaswag", "choices"])
def test_an_odd_json_line_was_a_fault_of_lst(tmp_path: Path, task: str, bad: str) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(f'{{"ind": 1}}\n{bad}\n')
    with pytest.raises(UserError, match=r"line 2: (not JSON|half of a surrogate)"):
        read_items(task, path)


def test_a_label_of_5000_digits_was_a_fault_of_lst(tmp_path: Path) -> None:
    row = {"ind": 1, "activity_label": "a", "ctx_a": "b", "ctx_b": "c", "endings": ["d", "e"], "label": "9" * 5000}
    (tmp_path / "h.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match="line 1: label is"):
        read_items("hellaswag", tmp_path / "h.jsonl")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"examples": ' + "9" * 5000 + "}", '{"examples": [{}]}', SURROGATE])
def test_an_odd_bigbench_task_was_a_fault_of_lst(tmp_path: Path, text: str) -> None:
    (tmp_path / "task.json").write_text(text)
    with pytest.raises(UserError, match=r"task\.json: (not JSON|no examples|1 faulty)"):
        read_items("bigbench", tmp_path / "task.json")


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 10**400])
def test_a_bigbench_score_beyond_all_numbers_was_a_fault_of_lst(tmp_path: Path, score: float) -> None:
    examples = [{"input": "a", "target_scores": {"b": score, "c": score}}]
    (tmp_path / "task.json").write_text(json.dumps({"examples": examples}))
    with pytest.raises(UserError, match="example 0"):
        read_items("bigbench", tmp_path / "task.json")
