"""Numbers and tables as text, the same on every page. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def direction_name(direction: str) -> str:
    """``s-s`` as ``S→S``."""
    return direction.upper().replace("-", "→")


def points(value: float) -> str:
    """A difference of shares in percentage points."""
    text = f"{100 * value:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def interval(low: float, high: float) -> str:
    """An interval of differences in percentage points."""
    return f"{points(low)} to {points(high)}"


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{100 * share:.1f}%"


def count(number: int | None) -> str:
    """A large number in a few characters."""
    if number is None:
        return "not recorded"
    for size, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{suffix}"
    return str(number)


def markdown_table(header: Sequence[str], body: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
