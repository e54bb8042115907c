"""The lines of a training curve. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lst_cli.json_text import parse_json

Line = dict[str, Any]


def read_curve(path: Path) -> list[Line]:
    """The lines of a curve up to the first that a crash cut off, or that is damaged."""
    if not path.is_file():
        return []
    lines: list[Line] = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = parse_json(text)
        except ValueError:
            break
        if not isinstance(line, dict) or not isinstance(line.get("step"), int) or "split" not in line:
            break
        lines.append(line)
    return lines


def write_curve(path: Path, lines: Iterable[Line]) -> None:
    """Write a whole curve, or nothing."""
    from lst_cli.artifacts.parquet import write_bytes_atomic

    write_bytes_atomic(path, "".join(json.dumps(line) + "\n" for line in lines).encode())
