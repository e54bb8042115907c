"""Which sequences each process trained on: one JSON record for each micro-batch (``run.log_batches``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lst_cli.artifacts.parquet import write_bytes_atomic

_FILES = "rank-*.jsonl"


class BatchLog:
    """Appends to the file of one process."""

    def __init__(self, folder: Path, rank: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"rank-{rank}.jsonl"

    def add(self, step: int, sequences: Sequence[int], checksums: Sequence[int]) -> None:
        """Log a micro-batch.

        :param sequences: numbers of its sequences, counted over the run and all processes.
        :param checksums: CRC32 of each sequence's tokens.
        """
        line = json.dumps({"step": step, "sequences": list(sequences), "crc32": list(checksums)})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def forget_after(folder: Path, step: int) -> None:
    """Remove the records of all processes after the step to resume from."""
    for path in folder.glob(_FILES):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        write_bytes_atomic(path, "".join(line + "\n" for line in kept).encode())
