"""What the decoding of every file has shown, in few bytes a file; kept in parts over a crash."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from lst_cli.audio.inspect import AudioFacts, in_threads


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


def inspect_in_parts(
    parts: Path, files: Sequence[Path], inspect: Callable[[Path], AudioFacts], workers: int, files_in_a_part: int
) -> FactTable:
    """Inspect the files; what was inspected before a crash is not decoded again."""
    from lst_cli.artifacts.parquet import write_bytes_atomic

    table = FactTable()
    for start in range(0, len(files), files_in_a_part):
        some = files[start : start + files_in_a_part]
        part = parts / f"facts-{start:09d}.json"
        if not part.is_file():
            found = list(in_threads("check audio", some, inspect, workers))
            write_bytes_atomic(part, json.dumps([asdict(facts) for facts in found]).encode())
        for fact in json.loads(part.read_bytes()):
            table.append(AudioFacts(**fact))
    return table
