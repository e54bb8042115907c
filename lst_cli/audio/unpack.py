"""Taking encoded audio out of Parquet files: decoded once into FLAC files of many utterances inside the corpus."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.artifacts.parquet import atomic_path, open_parquet, write_bytes_atomic
from lst_cli.audio.corpus_artifact import AudioSegment
from lst_cli.audio.decode import to_mono
from lst_cli.audio.inspect import examine, in_threads
from lst_cli.audio.layouts.embedded import AUDIO_COLUMN
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.storage.bucket_path import AnyPath

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.artifacts import Draft

_SECONDS_IN_A_FILE = 600
_ROWS_AT_A_TIME = 32


@dataclass(frozen=True)
class _PackedFile:
    """A work unit: a Parquet file."""

    path: AnyPath
    number: int
    size: int = 1

    @property
    def prefix(self) -> str:
        """Of the files that its audio goes to."""
        return f"audio-{self.number:05d}"

    @property
    def file_name(self) -> str:
        """The record of what has become of its rows."""
        return f"{self.prefix}.json"


class SharedUnpacking:
    """The audio of Parquet files, taken out by any number of ranks; files unpacked before a crash are kept."""

    def __init__(self, files: Sequence[AnyPath], workers: int, parts: SharedParts) -> None:
        """Divide the work.

        :param workers: files that this rank unpacks at a time.
        """
        self._workers = workers
        self._shared = SharedWork([_PackedFile(path, number) for number, path in enumerate(files)], parts)

    def run(self) -> None:
        """Unpack this rank's files, then help with those still missing."""
        own = self._shared.own()
        for todo in self._shared.rounds(own):
            for _ in in_threads("unpack audio", list(self._shared.pending(todo)), self._unpack, self._workers):
                pass

    def taken(self, draft: Draft) -> tuple[list[list[AudioSegment | str]], list[str]]:
        """Put the audio into the draft; for each row of each file where it went, or why it is rejected, and notes."""
        rows, notes = [], []
        for unit in self._shared.units:
            of_file, mended = self._unpack(unit)
            rows.append(of_file)
            notes += mended
            for file in sorted({row.path for row in of_file if not isinstance(row, str)}):
                draft.take(draft.parts / file)
        return rows, notes

    def _unpack(self, unit: _PackedFile) -> tuple[list[AudioSegment | str], list[str]]:
        return unpack_file(unit.path, self._shared.parts.folder, unit.prefix)


def unpack_file(parquet: AnyPath, folder: Path, prefix: str) -> tuple[list[AudioSegment | str], list[str]]:
    """Decode every row of a Parquet file into ``PREFIX-00000.flac``, … in ``folder`` (mono, 16 bit, own rate).

    Work that was finished before a crash is not repeated.

    :return: for each row its new place, or why it is rejected; and the corrections by row.
    """
    record = folder / f"{prefix}.json"
    if not record.is_file():
        notes: list[str] = []
        rows = list(_unpack(parquet, folder, prefix, notes))
        write_bytes_atomic(record, json.dumps([rows, notes]).encode())
    rows, notes = json.loads(record.read_bytes())
    return [row if isinstance(row, str) else AudioSegment(*row) for row in rows], notes


def _unpack(parquet: AnyPath, folder: Path, prefix: str, notes: list[str]) -> Iterator[AudioSegment | str]:
    waiting: list[NDArray[np.int16]] = []
    rate, offset, number = 0, 0, 0

    def name() -> str:
        return f"{prefix}-{number:05d}.flac"

    for row, data in enumerate(_encoded(parquet)):
        decoded = _decode(data)
        if isinstance(decoded, str):
            yield f"{parquet}, row {row}: {decoded}"
            continue
        samples, own_rate, mended = decoded
        notes += [f"row {row}: {note}" for note in mended]
        # All utterances of a file have one rate.
        if waiting and (own_rate != rate or offset > _SECONDS_IN_A_FILE * rate):
            _write(folder / name(), waiting, rate)
            waiting, offset, number = [], 0, number + 1
        rate = own_rate
        yield AudioSegment(name(), offset, len(samples), rate)
        waiting.append(samples)
        offset += len(samples)
    if waiting:
        _write(folder / name(), waiting, rate)


def _encoded(parquet: AnyPath) -> Iterator[bytes | None]:
    with open_parquet(parquet, foreign=True) as file:
        for batch in file.iter_batches(_ROWS_AT_A_TIME, columns=[f"{AUDIO_COLUMN}.bytes"]):
            for row in batch.column(0).to_pylist():
                yield row and row["bytes"]


def _decode(data: bytes | None) -> tuple[NDArray[np.int16], int, Sequence[str]] | str:
    """Mono 16-bit samples, their rate and the corrections, or why there are none."""
    if not data:
        return "no audio bytes; download the data set with its audio inside"
    blocks: list[NDArray[np.float32]] = []
    facts = examine(data, blocks)
    if facts.problem is not None:
        return facts.problem
    samples = np.concatenate([to_mono(block_NC, facts.channel, facts.gain) for block_NC in blocks])
    return np.round(np.clip(samples, -1, 1) * np.float32(32767)).astype(np.int16), facts.sample_rate, facts.notes


def _write(path: Path, pieces: list[NDArray[np.int16]], rate: int) -> None:
    import soundfile

    with atomic_path(path) as temporary:
        soundfile.write(temporary, np.concatenate(pieces), rate, format="FLAC", subtype="PCM_16")
