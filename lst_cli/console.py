"""What ``lst`` says: messages and progress on stderr, data on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_quiet = False

_SHOW_AFTER_S = 2.0
"""Progress of anything shorter than this stays silent."""

_PLAIN_EVERY_S = 10.0
"""Seconds between two progress lines where stderr is not a terminal."""


def set_quiet(quiet: bool) -> None:
    """Silence :func:`say` and :func:`progress`; warnings and errors stay."""
    global _quiet
    _quiet = quiet


def on_terminal() -> bool:
    """Whether a user looks on: stderr is a terminal, and nobody asked for ``--quiet``."""
    return sys.stderr.isatty() and not _quiet


def say(message: str) -> None:
    """Print one line for the user on stderr, unless ``--quiet``."""
    if not _quiet:
        print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Print a warning on stderr, also under ``--quiet``."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def print_json(data: Any) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table on stdout; numbers should come formatted."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    # A pipe has no width: print lines whole there, so that scripts and logs see every cell.
    width = None if sys.stdout.isatty() else 200
    Console(width=width).print(table)


class Progress:
    """Counts work done; made by :func:`progress`."""

    def __init__(self, description: str, total: float | None, unit: str, done: float) -> None:
        self._description = description
        self._total = total
        self._unit = unit
        self._begun = done
        self._done = done
        self._fields: dict[str, Any] = {}
        self._start = time.monotonic()
        self._last_line = self._start
        self._terminal = on_terminal()
        self._bar: Any = None
        self._task: Any = None

    def advance(self, n: float = 1, **fields: Any) -> None:
        """Say that ``n`` more units of work are done; ``fields`` are shown beside the bar."""
        self._done += n
        self._fields.update(fields)
        now = time.monotonic()
        if _quiet or now - self._start < _SHOW_AFTER_S:
            return
        if self._terminal:
            self._draw()
        elif now - self._last_line >= _PLAIN_EVERY_S:
            self._last_line = now
            print(self._line(now), file=sys.stderr, flush=True)

    def _line(self, now: float) -> str:
        total = f"/{self._total:,.0f}" if self._total is not None else ""
        rate = (self._done - self._begun) / max(now - self._start, 1e-9)
        extra = "".join(f" {key}={value}" for key, value in self._fields.items())
        return f"{self._description}: {self._done:,.0f}{total} {self._unit} ({rate:,.1f}/s){extra}"

    def _draw(self) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(self._unit),
                TimeRemainingColumn(),
                TextColumn("{task.fields[extra]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(self._description, total=self._total, extra="")
            self._bar.start()
        extra = " ".join(f"{key}={value}" for key, value in self._fields.items())
        self._bar.update(self._task, completed=self._done, extra=extra)

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def progress(
    description: str, total: float | None = None, unit: str = "", done: float = 0.0
) -> Iterator[Progress]:
    """Show progress of work that takes more than two seconds.

    A bar on a terminal, otherwise a plain line every ten seconds.

    :param done: what was done before this began: it is no part of the rate.
    """
    bar = Progress(description, total, unit, done)
    try:
        yield bar
    finally:
        bar.close()
