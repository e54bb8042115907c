from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lst_cli.artifacts import Store
from lst_cli.artifacts.parquet import write_row_groups
from lst_cli.errors import UserError
from lst_cli.shards.build.sentences import sentences_of
from lst_cli.shards.documents.forms import Source
from lst_cli.shards.schema import SPEECH_SCHEMA, utterance_id
from lst_cli.shards.shard_rows import SPEECH_COLUMNS, speech_rows
from lst_cli.shards.shard_set import ShardSet, read_row_group
from tests.shards.command import run
from tests.shards.making import VOCABULARY, speech_set, utterances
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
        "piece_starts": [[0] * (1 + number % 2) for number in range(len(words))],
    }


def test_sentences_together_are_the_row() -> None:
    row = _row(["He", "ran.", '"Why?"', "Asked", "she"], [1, 3, 10, 14, 16], [3, 6, 12, 16, 19], 22)
    parts = list(sentences_of(row))
    assert [part["words"] for part in parts] == [["He", "ran."], ['"Why?"'], ["Asked", "she"]]
    assert [unit for part in parts for unit in part["units"]] == row["units"]
    assert [word for part in parts for word in part["word_pieces"]] == row["word_pieces"]
    assert [word for part in parts for word in part["piece_starts"]] == row["piece_starts"]
    assert [part["id"] for part in parts] == ["u#0", "u#1", "u#2"]
    # Silence between sentences is split half and half; word frames move with their sentence.
    assert [len(part["units"]) for part in parts] == [8, 5, 9]
    assert [(part["starts"], part["ends"]) for part in parts] == [([1, 3], [3, 6]), ([2], [4]), ([1, 3], [3, 6])]


@pytest.mark.parametrize("words", [["no", "end"], ["Mr", "Dot", "ends."]])
def test_one_sentence_stays_whole(words: list[str]) -> None:
    row = _row(words, list(range(0, 2 * len(words), 2)), list(range(1, 2 * len(words), 2)), 2 * len(words))
    (part,) = sentences_of(row)
    assert {**part, "id": "u"} == row


@pytest.mark.parametrize(
    ("id", "utterance"),
    [("story-7", "story-7"), ("story-7#12", "story-7"), ("a/b/0003", "a/b/0003"), ("talk #1 of 2", "talk #1 of 2")],
)
def test_a_sentence_is_of_its_utterance(id: str, utterance: str) -> None:
    assert utterance_id(id) == utterance


def test_sentences_are_held_out_with_their_utterance(tmp_path: Path) -> None:
    whole = [
        {**_row(["One.", "two.", "three"], [0, 2, 4], [1, 3, 5], 6), "id": f"story-{number}"} for number in range(400)
    ]
    sentences = [sentence for row in whole for sentence in sentences_of(row)]
    held_out = {}
    for name, rows in (("whole", whole), ("sentences", sentences)):
        table = pa.Table.from_pylist(rows, schema=SPEECH_SCHEMA)
        found = speech_rows(table.select(list(SPEECH_COLUMNS)), VOCABULARY)
        source = Source("s", speech_set(tmp_path, utterances(4)), held_out=0.1, split="held_out")
        chosen = source.chosen(found, np.arange(len(found)))
        held_out[name] = [rows[index]["id"] for index in chosen]
        assert len(set(found.key_R.tolist())) == len(rows)
    assert 20 < len(held_out["whole"]) < 60
    assert held_out["sentences"] == [f"{id}#{number}" for id in held_out["whole"] for number in range(3)]


def test_an_interrupted_file_is_not_left_half_written(tmp_path: Path) -> None:
    def groups() -> Iterator[pa.Table]:
        yield pa.table({"n": [1, 2]})
        raise UserError("stop")

    with pytest.raises(UserError, match="stop"):
        write_row_groups(tmp_path / "a.parquet", pa.schema([("n", pa.int64())]), groups())
    assert not list(tmp_path.iterdir())
    tables = [pa.table({"n": [1, 2]}), pa.table({"n": pa.array([], pa.int64())}), pa.table({"n": [3]})]
    write_row_groups(tmp_path / "a.parquet", tables[0].schema, tables)
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [2, 1]


def test_command_cuts_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_stages(Store(tmp_path), utterances(50), chars=True)
    made = ("shards", "speech", "--tokens", "tokens/a", "--tokenizer", "text_tokenizer/a", "--name", "s")
    assert run(tmp_path, *made, "--alignment", "alignment/a") == 0
    assert run(tmp_path, "shards", "cut", "shards/s", "--name", "cut", "--max-reject-rate", "0.5") == 0
    before, after = (Store(tmp_path).find_any(f"shards/{name}") for name in ("s", "cut"))
    assert after.statistics["utterances"] > before.statistics["utterances"] // 2
    assert after.statistics["words"] == before.statistics["words"]
    assert ShardSet.of(after).info == ShardSet.of(before).info
    assert not ShardSet.of(after).without_piece_starts
    groups = [group for artifact in (before, after) for group in ShardSet.of(artifact).groups]
    originals, sentences = (read_row_group(group, ["id"]).column("id").to_pylist() for group in groups)
    # Row group by row group, in order: the rows of an utterance follow each other, numbered from 0.
    kept = dict.fromkeys(map(utterance_id, sentences))
    assert list(kept) == [id for id in originals if id in kept]
    assert len(set(sentences)) == len(sentences)
    assert run(tmp_path, *made[:-1], "pure") == 0
    assert run(tmp_path, "shards", "cut", "shards/pure", "--name", "none") == 2
    assert "no words, so sentence ends are unknown" in capsys.readouterr().err
