"""Results of decoding every file, in a few bytes per file, stored in parts that survive a crash."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from lst_cli.artifacts.parquet import read_parquet, write_parquet
from lst_cli.audio.inspect import AudioFacts, in_threads
from lst_cli.distributed.row_units import WorkUnit, divide_rows
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.storage.bucket_path import AnyPath

if TYPE_CHECKING:
    import pyarrow as pa

_LEAST_FILES, _MOST_FILES = 50, 2000
"""Files in a work unit, by the number of all."""


class FactTable:
    """The facts of numbered files."""

    def __init__(self) -> None:
        self._samples = array("q")
        self._rates = array("q")
        self._others: dict[int, AudioFacts] = {}
        """Those that say more than a length and a rate."""

    def append(self, facts: AudioFacts) -> None:
        """Add the facts of the next file."""
        if facts.problem is not None or facts.notes or facts.channel is not None or facts.gain != 1.0:
            self._others[len(self._samples)] = facts
        self._samples.append(facts.samples)
        self._rates.append(facts.sample_rate)

    def __getitem__(self, number: int) -> AudioFacts:
        found = self._others.get(number)
        return found or AudioFacts(self._samples[number], self._rates[number], None)

    def notes(self) -> dict[str, list[int]]:
        """Every note, and the numbers of the files that it is about."""
        found: dict[str, list[int]] = {}
        for number, facts in self._others.items():
            for note in facts.notes:
                found.setdefault(note, []).append(number)
        return found


class SharedInspection:
    """The inspection of files, which ranks share; files that were inspected before a crash are not decoded again."""

    def __init__(
        self, files: Sequence[AnyPath], inspect: Callable[[AnyPath], AudioFacts], workers: int, parts: SharedParts
    ) -> None:
        """Divide the work.

        :param workers: threads of this rank.
        """
        import numpy as np

        self._files, self._inspect, self._workers = files, inspect, workers
        ones = np.ones(len(files), np.int64)
        self._shared = SharedWork(divide_rows(ones, _LEAST_FILES, _MOST_FILES), parts)

    def run(self) -> None:
        """Inspect this rank's files, then help with those still missing."""
        self._shared.run(self._inspect_unit, write_parquet, what="check audio", counted="files")

    def facts(self) -> FactTable:
        """The results of all files, by number."""
        table = FactTable()
        for path in self._shared.paths:
            for row in read_parquet(path).to_pylist():
                table.append(AudioFacts(**row))
        return table

    def _inspect_unit(self, unit: WorkUnit) -> pa.Table:
        import pyarrow as pa

        found = in_threads(None, self._files[unit.start : unit.stop], self._inspect, self._workers)
        text, count = pa.string(), pa.int64()
        kinds = {"samples": count, "sample_rate": count, "problem": text, "channel": count, "gain": pa.float64()}
        schema = pa.schema([*kinds.items(), ("notes", pa.list_(text))])
        return pa.Table.from_pylist([asdict(facts) for facts in found], schema=schema)
