"""Alignment files whose words were lost, mixed or moved in silence, or refused for another cause."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lst_cli.alignment.imports.textgrid import write_textgrid
from lst_cli.artifacts import Store
from tests.known_issues.test_alignment_files import GOOD, align, make_tokens, reasons, write


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "root")
    make_tokens(made, "u1", "u2")
    return made


GOOD_JSON = {"words": [{"word": "quick", "start": 0.2, "end": 0.5}]}
TWO_TIERS = write_textgrid({"phones": [(0.0, 0.5, "k")], "words": [(0.2, 0.5, "quick")]}, 2.0)


@pytest.mark.parametrize(
    "bad",
    [
        GOOD.replace("intervals: size = 4", "intervals: size = 2"),
        TWO_TIERS.replace("size = 2", "size = 1", 1),
        GOOD + '\n"more"\n',
    ],
)
def test_intervals_behind_a_size_that_is_too_small_were_lost(store: Store, tmp_path: Path, bad: str) -> None:
    assert align(store, write(tmp_path / "in", u1=bad, u2=GOOD)) == {"u2": ["quick", "words"]}
    assert "the sizes it states" in reasons(store)["u1"]


def test_words_of_two_channels_were_joined(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.ctm").write_text("u1 A 0.1 0.3 left\nu1 B 0.5 0.3 right\nu2 B 0.1 0.3 one\nu2 B 0.5 0.3 two\n")
    assert align(store, tmp_path / "a.ctm") == {"u2": ["one", "two"]}
    assert "channels A and B" in reasons(store)["u1"]


@pytest.mark.parametrize("name", ["a.ctm", "a.jsonl"])
def test_one_byte_that_is_not_utf8_cost_every_utterance_of_its_file(store: Store, tmp_path: Path, name: str) -> None:
    lines = {
        "a.ctm": ["u1 1 0.1 0.3 café", "u2 1 0.1 0.3 one"],
        "a.jsonl": [
            json.dumps({"id": "u1", "words": [{"word": "café", "start": 0.1, "end": 0.4}]}, ensure_ascii=False),
            json.dumps({"id": "u2", "words": [{"word": "one", "start": 0.1, "end": 0.4}]}),
        ],
    }[name]
    (tmp_path / name).write_bytes("\n".join(lines).encode("latin-1"))
    assert align(store, tmp_path / name) == {"u2": ["one"]}
    assert any("line 1: not UTF-8" in reason for reason in reasons(store).values())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_marks_of_the_byte_order_are_read(store: Store, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.ctm").write_bytes("u1 1 0.1 0.3 one\nu2 1 0.1 0.3 two\n".encode(encoding))
    assert align(store, tmp_path / "a.ctm") == {"u1": ["one"], "u2": ["two"]}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"words": [{"word": "a", "start": True, "end": 2}]}, "a time is True"),
        ({"words": [{"word": "a", "start": 0.1, "duration": 0.2}, {"word": "b", "start": 1, "end": 2}]}, "no end"),
        ({"segments": [{"start": 0, "end": 2, "words": [{"word": "a", "end": 0.2}]}]}, "no start"),
        ({"chunks": [{"text": "a", "timestamp": [0.1, 0.3]}]}, "neither words, segments nor tiers in it, but 'chunks'"),
        ({"words": [{"word": "a", "start": -0.5, "end": 0.2}]}, "before the audio"),
        ({"words": [{"word": "a b c d e f", "start": 0.5, "end": 1.9}]}, "a sentence, not a word"),
    ],
)
def test_json_with_times_of_another_kind(store: Store, tmp_path: Path, bad: object, reason: str) -> None:
    assert align(store, write(tmp_path / "in", u1=bad, u2=GOOD_JSON)) == {"u2": ["quick"]}
    assert reason in reasons(store)["u1"]


def test_a_sentence_among_words_was_one_word(store: Store, tmp_path: Path) -> None:
    words = [(0.0, 0.2, "a"), (0.2, 0.4, "New York"), (0.4, 0.6, "b"), (0.6, 1.9, "many words in one interval")]
    good = write_textgrid({"words": words[:3]}, 2.0)
    assert align(store, write(tmp_path / "in", u1=write_textgrid({"words": words}, 2.0), u2=good)) == {
        "u2": ["a", "New York", "b"]
    }
    assert "a sentence, not a word" in reasons(store)["u1"]


def test_an_id_that_is_a_number_was_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    make_tokens(store, "7", "8")
    lines = [{"id": 7, **GOOD_JSON}, {"id": True, **GOOD_JSON}, {"id": "8", **GOOD_JSON}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert align(store, tmp_path / "a.jsonl") == {"7": ["quick"], "8": ["quick"]}
