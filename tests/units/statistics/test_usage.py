from __future__ import annotations

import numpy as np
import pyarrow as pa

from lst_cli.hashing import integers
from lst_cli.units.statistics.usage import count_usage
from lst_cli.units.tokens import tokens_schema


def _table(rows: dict[str, list[int]]) -> pa.Table:
    return pa.table({"id": list(rows), "units": list(rows.values())}, schema=tokens_schema())


def test_runs_and_transitions_stay_within_utterances() -> None:
    usage = count_usage([_table({"a": [1, 1, 2, 0], "b": [0, 0, 1]})], 4)
    assert usage.utterances == 2
    assert usage.counts_K.tolist() == [3, 3, 1, 0]
    assert usage.runs_K.tolist() == [2, 2, 1, 0]
    assert {(i, j): int(n) for (i, j), n in np.ndenumerate(usage.transitions_KK) if n} == {
        (1, 2): 1,
        (2, 0): 1,
        (0, 1): 1,
    }
    heard = {(s.id, s.first, s.frames) for s in usage.examples[1]}
    assert heard == {("a", 0, 2), ("b", 2, 1)}
    assert usage.examples[3] == []


def test_tables_may_be_cut_anywhere() -> None:
    rows = {f"u{i}": integers(0, 9, 1, i, np.arange(5 + i % 11)).tolist() for i in range(60)}
    whole = _table(rows)
    cut = [whole.slice(0, 7), whole.slice(7, 1), whole.slice(8)]
    first, second = count_usage([whole], 10), count_usage(cut, 10)
    assert np.array_equal(first.transitions_KK, second.transitions_KK)
    assert first.examples == second.examples
    assert all(len(kept) == 3 for kept in first.examples)
    for unit, kept in enumerate(first.examples):
        for stretch in kept:
            found = rows[stretch.id][stretch.first : stretch.first + stretch.frames]
            assert found == [unit] * stretch.frames
    assert count_usage([whole], 10, seed=1).examples != first.examples
