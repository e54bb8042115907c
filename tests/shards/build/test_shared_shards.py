"""Shards that ranks make together are those of one process alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lst_cli.artifacts import Store
from lst_cli.shards.build import speech_shards, text_shards
from lst_cli.shards.build.join import NumberedRows
from tests.distributed.children import kill_ranks, run_ranks
from tests.shards.command import run
from tests.shards.making import utterances
from tests.shards.stages import make_stages, words

MADE = utterances(400, words=60)
SPEECH = ("shards", "speech", "--tokens", "tokens/a", "--name", "s", "--alignment", "alignment/a")


@pytest.fixture(params=["speech", "text"])
def arguments(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Nine utterances are without alignment, so chunks of the input are unequal in length."""
    monkeypatch.setattr(speech_shards, "_CHUNK_ROWS", 40)
    monkeypatch.setattr(text_shards, "_CHUNK_DOCUMENTS", 40)
    command: tuple[str, ...] = SPEECH
    if request.param == "text":
        file = tmp_path / "text.txt"
        file.write_text("".join(" ".join(words(u)) * 16 + f" {u.id}\n" for u in MADE))
        command = ("shards", "text", str(file), "--name", "s")
    return (*command, "--tokenizer", "text_tokenizer/a", "--shard-mb", "1", "--max-reject-rate", "0.1")


def make(root: Path, arguments: tuple[str, ...]) -> None:
    assert run(root, *arguments) == 0


def new_root(root: Path) -> Path:
    make_stages(Store(root), MADE, aligned=[u for n, u in enumerate(MADE) if n % 47])
    return root


def sums(root: Path) -> dict[str, str]:
    artifact = Store(root).find_any("shards/s")
    assert not [path for path in root.rglob("*") if path.name.endswith((".partial", ".tmp"))]
    return {file.path: file.sha256 for file in artifact.files} | {"statistics": str(artifact.statistics)}


def test_any_number_of_ranks_makes_the_same_bytes(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    found = []
    for world in (1, 2, 4):
        root = new_root(tmp_path / str(world))
        run_ranks(world, partial(make, root, arguments))
        found.append(sums(root))
    assert found[1] == found[0]
    assert found[2] == found[0]
    assert "shard-00000.parquet" in found[0]


def test_killed_ranks_make_the_same_bytes(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    roots = [new_root(tmp_path / name) for name in ("whole", "killed")]
    make(roots[0], arguments)
    assert kill_ranks(roots[1], partial(make, roots[1], arguments), (0, 1, 3, 6, 9, 11)) >= 3
    make(roots[1], arguments)
    assert sums(roots[1]) == sums(roots[0])


def test_rows_are_read_by_number_across_groups_and_files(tmp_path: Path) -> None:
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pq.write_table(pa.table({"n": range(10)}), files[0], row_group_size=4)
    pq.write_table(pa.table({"n": range(10, 25)}), files[1], row_group_size=6)
    reader = NumberedRows(files, ["n"])
    assert reader.rows == 25
    for start, stop in ((0, 25), (3, 5), (9, 11), (24, 25), (7, 7), (2, 20)):
        assert reader.read(start, stop)["n"].to_pylist() == list(range(start, stop))
