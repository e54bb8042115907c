"""The metrics log of a training run: one JSON record for each logged step. Imports nothing heavy.

A record has ``step``, ``split`` (``train`` or ``valid``), ``source`` where there are several validation sets, and
figures by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lst_cli.errors import UserError
from lst_cli.json_text import parse_json

Record = dict[str, Any]

METRICS_FILE = "metrics.jsonl"
"""The log in a model artifact, and with timing next to the run's other logs."""

WORKING_FILE = "curve.jsonl"
"""The log of an unfinished run, next to its checkpoints."""

_RENAMED = {"utilisation": "mfu"}
"""Figures that older logs have under other names."""


def read_metrics_log(path: Path, *, complete: bool = False) -> list[Record]:
    """Read a log; it is empty if there is no such file. A record that a crash truncated ends it.

    :param complete: the log is that of an artifact, and has no such record.
    :raises UserError: ``complete``, and a record is damaged.
    """
    if not path.is_file():
        return []
    records = []
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            record = parse_json(text)
            record = {**record, "step": int(record["step"]), "split": record["split"]}
        except (ValueError, KeyError, TypeError) as error:
            if not complete:
                break
            raise UserError(
                f"{path}, line {number}: not a record of a metrics log",
                found=f"{type(error).__name__}: {error}",
                fix="check the artifact with 'lst artifact verify'",
            ) from None
        records.append({_RENAMED.get(name, name): value for name, value in record.items()})
    return records


def write_metrics_log(path: Path, records: Iterable[Record]) -> None:
    """Write a whole log, or nothing."""
    from lst_cli.artifacts.parquet import write_bytes_atomic

    write_bytes_atomic(path, "".join(json.dumps(record) + "\n" for record in records).encode())
