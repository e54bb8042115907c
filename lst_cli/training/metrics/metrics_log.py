"""The lines of a training curve. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def read_curve(path: Path) -> list[Line]:
    """The lines of a curve; a line that a crash cut off is left out."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def write_curve(path: Path, lines: Iterable[Line]) -> None:
    """Write a whole curve, or nothing."""
    from lst_cli.artifacts.parquet import write_bytes_atomic

    write_bytes_atomic(path, "".join(json.dumps(line) + "\n" for line in lines).encode())
