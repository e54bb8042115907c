"""Parts of a checkpoint for another number of processes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lst_cli.training.run.reshard import _cut


@given(rows=st.integers(1, 40), before=st.integers(1, 9), after=st.integers(1, 9))
def test_parts_are_those_of_chunk(rows: int, before: int, after: int) -> None:
    def chunk(number: int, parts: int) -> torch.Tensor:
        found = whole.chunk(parts)
        return found[number] if number < len(found) else whole[:0]

    whole = torch.arange(rows * 2.0).view(rows, 2)
    pieces = [chunk(number, before) for number in range(before)]
    for number in range(after):
        assert torch.equal(_cut(pieces, number, after), chunk(number, after))


def test_a_part_reads_no_other_part() -> None:
    """At 7B on 64 GPUs every part once took reading all 64."""
    read: list[int] = []

    class Piece(torch.Tensor):
        def __getitem__(self, rows: slice) -> torch.Tensor:  # type: ignore[override]
            part = self.as_subclass(torch.Tensor)[rows]
            read.append(len(part))
            return part

    pieces = [torch.ones(10, 2).as_subclass(Piece) for _ in range(8)]
    assert len(_cut(pieces, 3, 16)) == 5
    assert sum(read) == 5


@pytest.mark.parametrize("shards", [1, 3])
def test_a_part_is_a_copy(shards: int) -> None:
    whole = torch.zeros(4, 2)
    _cut([whole], 0, shards).fill_(1)
    assert not whole.any()
