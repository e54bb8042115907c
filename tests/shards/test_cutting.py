from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lst_cli.artifacts import Store
from lst_cli.shards.cutting import sentences_of
from lst_cli.shards.shard_set import ShardSet
from tests.shards.command import run
from tests.shards.making import utterances
from tests.shards.stages import make_stages


def _row(words: list[str], starts: list[int], ends: list[int], units: int) -> dict[str, Any]:
    return {
        "id": "u",
        "source": "s",
        "speaker": None,
        "units": list(range(units)),
        "words": words,
        "word_pieces": [[number] for number in range(len(words))],
        "starts": starts,
        "ends": ends,
    }


def test_sentences_together_are_the_row() -> None:
    row = _row(["He", "ran.", '"Why?"', "Asked", "she"], [1, 3, 10, 14, 16], [3, 6, 12, 16, 19], 22)
    parts = list(sentences_of(row))
    assert [part["words"] for part in parts] == [["He", "ran."], ['"Why?"'], ["Asked", "she"]]
    assert [unit for part in parts for unit in part["units"]] == row["units"]
    assert [word for part in parts for word in part["word_pieces"]] == row["word_pieces"]
    assert [part["id"] for part in parts] == ["u/0", "u/1", "u/2"]
    # Silence between sentences is split half and half; word frames move with their sentence.
    assert [len(part["units"]) for part in parts] == [8, 5, 9]
    assert [(part["starts"], part["ends"]) for part in parts] == [([1, 3], [3, 6]), ([2], [4]), ([1, 3], [3, 6])]


@pytest.mark.parametrize("words", [["no", "end"], ["Mr", "Dot", "ends."]])
def test_one_sentence_stays_whole(words: list[str]) -> None:
    row = _row(words, list(range(0, 2 * len(words), 2)), list(range(1, 2 * len(words), 2)), 2 * len(words))
    (part,) = sentences_of(row)
    assert {**part, "id": "u"} == row


def test_command_cuts_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_stages(Store(tmp_path), utterances(50))
    made = ("shards", "speech", "--tokens", "tokens/a", "--tokenizer", "text_tokenizer/a", "--name", "s")
    assert run(tmp_path, *made, "--alignment", "alignment/a") == 0
    assert run(tmp_path, "shards", "cut", "shards/s", "--name", "cut", "--max-reject-rate", "0.5") == 0
    before, after = (Store(tmp_path).find_any(f"shards/{name}") for name in ("s", "cut"))
    assert after.statistics["utterances"] > before.statistics["utterances"] // 2
    assert after.statistics["words"] == before.statistics["words"]
    assert ShardSet.of(after).info == ShardSet.of(before).info
    assert run(tmp_path, *made[:-1], "pure") == 0
    assert run(tmp_path, "shards", "cut", "shards/pure", "--name", "none") == 2
    assert "no words to tell where sentences end" in capsys.readouterr().err
