"""Chunks of a stream that ranks prepare together.

How many chunks there are is known only at the stream's end. So each rank walks over the whole stream, which is cheap,
and reads and prepares every n-th chunk, which is not. Then it walks again for what other ranks left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa

from lst_cli.console import progress
from lst_cli.distributed.shared_work import SharedParts


@dataclass(frozen=True, kw_only=True)
class InputChunk:
    """Neighbouring rows of the input."""

    number: int
    first_row: int
    """Number of its first row among all."""
    rows: int
    read: Callable[[], pa.Table]


def share_chunks(
    chunks: Iterable[InputChunk],
    parts: SharedParts,
    made: Callable[[int], bool],
    make: Callable[[InputChunk], None],
) -> tuple[int, int]:
    """Make this rank's chunks, then help with those still missing.

    :param chunks: the same ones each time it is iterated over.
    :param made: whether the chunk of a number is finished.
    :return: the number of chunks, and of their rows.
    """
    rank = parts.rank
    count = rows = 0
    with progress("preparing rows", unit="rows") as bar:
        for chunk in chunks:
            if chunk.number % rank.world == rank.number and not made(chunk.number):
                make(chunk)
                bar.advance(chunk.rows)
            count += 1
            rows += chunk.rows
        while (missing := [n for n in range(count) if not made(n)]) and not parts.finished():
            mine = set(missing[rank.number % len(missing) :: rank.world])
            last = max(mine)
            for chunk in chunks:
                if chunk.number in mine and not made(chunk.number) and not parts.finished():
                    make(chunk)
                    bar.advance(chunk.rows)
                if chunk.number >= last:
                    break
    return count, rows
