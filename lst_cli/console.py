"""Output of ``lst``: messages and progress on stderr, data on stdout.

Names and texts come from files of others. Control characters in them never reach a terminal, where they could move
the cursor, hide text or run commands.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

_quiet = False

_SHOW_AFTER_S = 2.0
"""Progress of shorter work is not shown."""

_PLAIN_EVERY_S = 10.0
"""Seconds between two progress lines where stderr is not a terminal."""


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and newline; line and paragraph separators; overrides of the writing direction; lone
surrogates, which no encoding can print."""


def clean(text: str) -> str:
    """The text with its control characters escaped, as Python writes them in a string."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def set_quiet(quiet: bool) -> None:
    """Silence :func:`say` and :func:`progress`, but not warnings and errors."""
    global _quiet
    _quiet = quiet


def on_terminal() -> bool:
    """Whether stderr is a terminal, without ``--quiet``."""
    return sys.stderr.isatty() and not _quiet


def say(message: str) -> None:
    """Print one line for the user on stderr, unless ``--quiet``."""
    if not _quiet:
        print_error(message)


def print_error(message: str) -> None:
    """Print a message on stderr, also under ``--quiet``."""
    print(clean(message), file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Print a warning on stderr, also under ``--quiet``."""
    print_error(f"warning: {message}")


def print_line(text: str, end: str = "\n") -> None:
    """Print data on stdout: as it is into a file or pipe, without control characters on a terminal."""
    print(clean(text) if sys.stdout.isatty() else text, end=end, flush=True)


def print_json(data: Any) -> None:
    """Print one JSON document on stdout."""
    text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
    # JSON escapes the other control characters; all that are left are inside strings, where this is the same text.
    print(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table on stdout; numbers should come formatted."""
    from rich.console import Console
    from rich.text import Text

    # A pipe has no width: don't wrap lines there, so that scripts and logs see every cell.
    console = Console(width=None if sys.stdout.isatty() else 200)
    if title:
        console.print(Text(clean(title), style="italic"), soft_wrap=True)
    cells = [[clean(str(cell)) for cell in row] for row in rows]
    console.print(_as_table(columns, cells, console.width), soft_wrap=True)


def _as_table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> RenderableType:
    """The table as rich prints it on a terminal of this width; no word is broken.

    Cells wrap at spaces. If the longest words don't fit next to each other, columns move closer together; if that is
    not enough, each row becomes a block of ``column  value`` lines.
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
    from rich.cells import cell_len

    widths = [max(cell_len(line) for text in column for line in (text.splitlines() or [""])) for column in texts]
    words = [max((cell_len(word) for text in column for word in text.split()), default=0) for column in texts]
    if sum(words) > room:
        return None
    while sum(widths) > room:
        widest = max((at for at in range(len(widths)) if widths[at] > words[at]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _wrapped(text: str, width: int) -> str:
    """The text with lines of at most ``width`` cells, broken at spaces."""
    from rich.cells import cell_len

    lines = []
    for line in text.splitlines():
        current = "" if cell_len(line) > width else line
        for word in line.split() if not current else ():
            joined = f"{current} {word}" if current else word
            if current and cell_len(joined) > width:
                lines.append(current)
                joined = word
            current = joined
        lines.append(current)
    return "\n".join(lines)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], edges: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1 if edges else 0), show_edge=edges)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(Text(_wrapped(column, width)), width=width, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_wrapped(cell, width)) for cell, width in zip(row, widths, strict=True)))
    return table


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Group:
    from rich.cells import cell_len
    from rich.console import Group
    from rich.text import Text

    label = max(map(cell_len, columns))
    names = [column + " " * (label - cell_len(column)) for column in columns]
    blocks = ["\n".join(f"{name}  {cell}" for name, cell in zip(names, row, strict=True) if cell) for row in rows]
    return Group(*(Text(f"\n{block}") for block in blocks))


class Progress:
    """Counts finished work; made by :func:`progress`."""

    def __init__(self, description: str, total: float | None, unit: str, done: float) -> None:
        self._description = clean(description)
        self._total = total
        self._unit = unit
        self._begun = done
        self._done = done
        self._fields: dict[str, Any] = {}
        self._start = time.monotonic()
        self._last_line = self._start
        self._terminal = on_terminal()
        self._bar: Any = None

    def advance(self, n: float = 1, **fields: Any) -> None:
        """Report that ``n`` more units of work are done; ``fields`` are shown next to the bar."""
        self._done += n
        self._fields.update(fields)
        now = time.monotonic()
        if _quiet or now - self._start < _SHOW_AFTER_S:
            return
        if self._terminal:
            self._draw()
        elif now - self._last_line >= _PLAIN_EVERY_S:
            self._last_line = now
            print_error(self._line(now))

    def _line(self, now: float) -> str:
        total = f"/{self._total:,.0f}" if self._total is not None else ""
        rate = (self._done - self._begun) / max(now - self._start, 1e-9)
        extra = "".join(f" {key}={value}" for key, value in self._fields.items())
        return f"{self._description}: {self._done:,.0f}{total} {self._unit} ({rate:,.1f}/s){extra}"

    def _draw(self) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                desc=self._description,
                total=self._total,
                initial=self._begun,
                unit=f" {self._unit}",
                file=sys.stderr,
                dynamic_ncols=True,
                leave=False,
            )
        self._bar.set_postfix(self._fields, refresh=False)
        self._bar.update(self._done - self._bar.n)

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def progress(description: str, total: float | None = None, unit: str = "", done: float = 0.0) -> Iterator[Progress]:
    """Show the progress of work that takes more than two seconds: a bar on a terminal, otherwise a line every 10 s.

    :param done: units done before this began; they are not part of the rate.
    """
    bar = Progress(description, total, unit, done)
    try:
        yield bar
    finally:
        bar.close()
