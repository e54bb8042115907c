"""Taking encoded audio out of Parquet files: decoded once into FLAC files of many utterances inside the corpus."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.artifacts.parquet import atomic_path, open_parquet, write_bytes_atomic
from lst_cli.audio.corpus_artifact import AudioSegment
from lst_cli.audio.layouts.embedded import AUDIO_COLUMN

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SECONDS_IN_A_FILE = 600
_ROWS_AT_A_TIME = 32


def unpack_file(parquet: Path, folder: Path, prefix: str) -> list[AudioSegment | str]:
    """Decode every row of a Parquet file into ``PREFIX-00000.flac``, … in ``folder`` (mono, 16 bit, own rate).

    What a call before a crash has finished is not done again.

    :return: for each row where it went, or why it is rejected.
    """
    record = folder / f"{prefix}.json"
    if not record.is_file():
        rows = list(_unpack(parquet, folder, prefix))
        write_bytes_atomic(record, json.dumps(rows).encode())
    return [row if isinstance(row, str) else AudioSegment(*row) for row in json.loads(record.read_bytes())]


def _unpack(parquet: Path, folder: Path, prefix: str) -> Iterator[AudioSegment | str]:
    waiting: list[NDArray[np.int16]] = []
    rate, offset, number = 0, 0, 0

    def name() -> str:
        return f"{prefix}-{number:05d}.flac"

    for row, data in enumerate(_encoded(parquet)):
        decoded = _decode(data)
        if isinstance(decoded, str):
            yield f"{parquet}, row {row}: {decoded}"
            continue
        samples, own_rate = decoded
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


def _encoded(parquet: Path) -> Iterator[bytes | None]:
    with open_parquet(parquet) as file:
        for batch in file.iter_batches(_ROWS_AT_A_TIME, columns=[f"{AUDIO_COLUMN}.bytes"]):
            for row in batch.column(0).to_pylist():
                yield row and row["bytes"]


def _decode(data: bytes | None) -> tuple[NDArray[np.int16], int] | str:
    """Mono 16-bit samples and their rate, or why there are none."""
    import soundfile

    if not data:
        return "no audio bytes; download the data set with its audio inside"
    try:
        frames_NC, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        return f"not audio that can be decoded ({error.error_string.strip()}); remove the row"
    if not len(frames_NC):
        return "no samples (zero length); remove the row"
    samples: NDArray[np.float32] = frames_NC.mean(axis=1, dtype=np.float32)
    if not np.isfinite(samples).all():
        return "a sample is not a finite number; remove the row"
    return np.round(np.clip(samples, -1, 1) * np.float32(32767)).astype(np.int16), int(rate)


def _write(path: Path, pieces: list[NDArray[np.int16]], rate: int) -> None:
    import soundfile

    with atomic_path(path) as temporary:
        soundfile.write(temporary, np.concatenate(pieces), rate, format="FLAC", subtype="PCM_16")
