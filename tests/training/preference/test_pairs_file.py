"""Preference pairs: what a line may hold, and the tokens it stands for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lst_cli.errors import UserError
from lst_cli.text.speech_codec import SpeechCodec
from lst_cli.text.tokenizer import TextTokenizer
from lst_cli.training.examples.sides import SideEncoder
from lst_cli.training.preference.pairs_file import as_questions, read_pairs_file
from tests.inference.models import tokenizer_bytes, vocabulary

SPOKEN = {"p": np.array([1, 2, 3], np.uint16), "a": np.array([4, 4], np.uint16), "silent": np.zeros(0, np.uint16)}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_sides_are_texts_utterances_or_units(tmp_path: Path) -> None:
    path = write(
        tmp_path / "pairs.jsonl",
        {"id": "s", "prompt": {"utterance": "p"}, "chosen": {"utterance": "a"}, "rejected": {"units": [5]}},
        {"id": "t", "prompt": "the cat", "chosen": "sat on a mat", "rejected": "sang"},
        {"id": "st", "prompt": {"utterance": "p"}, "chosen": "the cat", "rejected": "a dog"},
        {"chosen": {"units": [1, 2]}, "rejected": {"units": [2, 1]}},
    )
    pairs = read_pairs_file(path, SPOKEN)
    assert [pair.id for pair in pairs] == ["s", "t", "st", "4"]
    words, tokenizer = vocabulary(), TextTokenizer(tokenizer_bytes())
    speech, text, both, whole = as_questions(pairs, SideEncoder(tokenizer, SpeechCodec(words, None), "pairs.jsonl"))
    start = words.speech_start
    assert speech.prompt_T.tolist() == [words.s_marker, start + 1, start + 2, start + 3]
    assert [each.tolist() for each in speech.endings] == [[start + 4, start + 4], [start + 5]]
    assert text.prompt_T.tolist() == [words.t_marker, *tokenizer.encode("the cat")]
    assert text.endings[0].tolist() == tokenizer.encode("sat on a mat", continues=True)
    assert both.prompt_T.tolist() == [*speech.prompt_T.tolist(), words.t_marker]
    assert whole.prompt_T.tolist() == [words.s_marker]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "a", "chosen": "b"}, "rejected: missing"),
        ({"prompt": "a", "chosen": "b", "rejected": " "}, "rejected: an empty text"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "chosen and rejected are the same"),
        ({"prompt": "a", "chosen": "b", "rejected": {"units": [1]}}, "differ in modality"),
        ({"prompt": {"utterance": "x"}, "chosen": "b", "rejected": "c"}, "prompt: no utterance x in --tokens"),
        ({"prompt": {"utterance": "silent"}, "chosen": "b", "rejected": "c"}, "without speech tokens"),
        ({"chosen": {"units": [-1]}, "rejected": {"units": [1]}}, "not a list of whole numbers"),
        ({"chosen": {"units": [True]}, "rejected": {"units": [1]}}, "not a list of whole numbers"),
        ({"chosen": 3, "rejected": "c"}, "chosen: neither a text"),
        ({"chosen": "b", "rejected": "c", "weight": 2}, "unknown key weight"),
    ],
)
def test_faults_are_named_with_their_lines(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "pairs.jsonl", {"chosen": "b", "rejected": "c"}, row)
    with pytest.raises(UserError, match=f"line 2: .*{message}"):
        read_pairs_file(path, SPOKEN)


def test_units_of_another_quantizer_and_empty_files_are_refused(tmp_path: Path) -> None:
    pairs = read_pairs_file(write(tmp_path / "p", {"chosen": {"units": [1]}, "rejected": {"units": [99]}}), {})
    with pytest.raises(UserError, match="unit 99"):
        as_questions(pairs, SideEncoder(TextTokenizer(tokenizer_bytes()), SpeechCodec(vocabulary(), None), "p"))
    twice = {"id": "x", "chosen": "b", "rejected": "c"}
    with pytest.raises(UserError, match="the id x is used twice"):
        read_pairs_file(write(tmp_path / "p", twice, twice), {})
