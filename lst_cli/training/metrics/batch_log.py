"""Which data each process trained on, step by step: one JSON line for each batch (``run.log_batches``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lst_cli.artifacts.parquet import write_bytes_atomic

_FILES = "rank-*.jsonl"


class OrderLog:
    """Appends to the file of one process."""

    def __init__(self, folder: Path, rank: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"rank-{rank}.jsonl"

    def add(self, step: int, sequences: Sequence[int], sums: Sequence[int]) -> None:
        """Note a batch.

        :param sequences: numbers of its sequences, counted over the run and all processes.
        :param sums: CRC32 of each sequence's tokens.
        """
        line = json.dumps({"step": step, "sequences": list(sequences), "crc32": list(sums)})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def forget_after(folder: Path, step: int) -> None:
    """Drop what all processes noted behind the checkpoint that a run goes on from."""
    for path in folder.glob(_FILES):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        write_bytes_atomic(path, "".join(line + "\n" for line in kept).encode())


def read_order(folder: Path) -> dict[tuple[int, int], int]:
    """Step and number of every sequence of a run, with the sum of its tokens."""
    found: dict[tuple[int, int], int] = {}
    for path in sorted(folder.glob(_FILES)):
        for text in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            found |= {(line["step"], number): crc for number, crc in zip(line["sequences"], line["crc32"], strict=True)}
    return found
