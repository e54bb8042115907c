"""Tables on a terminal of any width: cells wrap at spaces, and a name is never broken.

A table whose longest words don't fit side by side is printed closer together; if that is still too wide, as one block
of ``column  value`` lines for each row.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def as_table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> RenderableType:
    """The table as rich prints it.

    :param width: of the terminal, in cells.
    """
    texts = list(zip(columns, *rows, strict=True))
    for edges in (True, False):
        gaps = 3 * len(columns) + 1 if edges else len(columns) - 1
        widths = _widths(texts, width - gaps)
        if widths is not None:
            return _table(columns, rows, widths, edges)
    return _blocks(columns, rows)


def _widths(texts: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """The width of each column, the widest ones reduced as far as their words allow; None if the words don't fit."""
    widths = [max(cell_len(line) for text in column for line in (text.splitlines() or [""])) for column in texts]
    words = [max((cell_len(word) for text in column for word in text.split()), default=0) for column in texts]
    if sum(words) > room:
        return None
    while sum(widths) > room:
        widest = max((at for at in range(len(widths)) if widths[at] > words[at]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], edges: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1 if edges else 0), show_edge=edges)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column, width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Group:
    label = max(map(cell_len, columns))
    names = [column + " " * (label - cell_len(column)) for column in columns]
    blocks = ["\n".join(f"{name}  {cell}" for name, cell in zip(names, row, strict=True) if cell) for row in rows]
    return Group(*(Text(f"\n{block}") for block in blocks))
