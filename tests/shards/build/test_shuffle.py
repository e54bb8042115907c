"""The shuffle: every row once, in an order of its own, whatever the chunks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lst_cli.shards.build.shuffle import Shuffle


def shuffled(folder: Path, n: int, buckets: int, chunk: int, seed: int = 0) -> list[list[int]]:
    shuffle = Shuffle(folder, buckets, seed)
    chunks = -(-n // chunk)
    for i in range(chunks):
        rows = np.arange(i * chunk, min(n, (i + 1) * chunk))
        shuffle.add(i, pa.table({"row": rows}), i * chunk, {"rows": len(rows)})
        assert shuffle.has(i)
    assert sum(notes["rows"] for notes in shuffle.notes(chunks)) == n
    return [shuffle.bucket(b, chunks).column("row").to_pylist() for b in range(buckets)]


@settings(max_examples=20)
@given(st.integers(1, 200), st.integers(1, 9), st.integers(7, 60), st.integers(30, 90))
def test_every_row_once_whatever_the_chunks(n: int, buckets: int, chunk: int, other: int) -> None:
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        found = shuffled(Path(a), n, buckets, chunk)
        assert sorted(row for bucket in found for row in bucket) == list(range(n))
        assert found == shuffled(Path(b), n, buckets, other)


def test_the_order_is_random(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    found = [row for bucket in shuffled(tmp_path / "a", 5000, 5, 500) for row in bucket]
    other = [row for bucket in shuffled(tmp_path / "b", 5000, 5, 500, seed=1) for row in bucket]
    assert found != other
    assert abs(np.corrcoef(found, np.arange(5000))[0, 1]) < 0.05
