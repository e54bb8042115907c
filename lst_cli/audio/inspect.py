"""Looking at audio before it enters a corpus: checksums, and whether every sample is there and sound.

Legend: N samples at the file's own rate, C channels.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lst_cli.audio.formats import NotDecodable, Recording, open_recording
from lst_cli.audio.formats.open_audio import regular_file, size_and_version
from lst_cli.checksum import sha256_of
from lst_cli.console import progress
from lst_cli.errors import UserError
from lst_cli.storage.bucket_path import AnyPath

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INTEGER_PEAK = 64.0
"""A recording with a larger peak was written as integers into a file of floats; full scale is 1."""

_ANTIPHASE = 1e-3
"""Two channels that cancel each other leave at most this share of their power in the mean."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class AudioFacts:
    """The result of decoding a whole recording."""

    samples: int
    """Per channel."""
    sample_rate: int
    """Hz."""
    problem: str | None
    """Why the recording can't be used, with the fix; None if it can."""
    channel: int | None = None
    """The one channel to read; None for the mean of all."""
    gain: float = 1.0
    """Factor that brings the samples to a full scale of 1."""
    notes: Sequence[str] = ()
    """Corrections and other notes for the user."""


def inspect_audio(path: AnyPath) -> AudioFacts:
    """Decode a file from end to end, in bounded memory, and report its faults."""
    facts = examine(path)
    return _bad(f"{path}: {facts.problem.removeprefix(f'{path}: ')}") if facts.problem is not None else facts


def examine(source: AnyPath | bytes, keep: list[NDArray[np.float32]] | None = None) -> AudioFacts:
    """Decode a file or bytes from end to end. The problem found does not name the source.

    :param keep: is filled with the decoded blocks ``[N, C]``.
    :raises LstError: the store of a bucket can't be reached, or refuses access.
    """
    try:
        if (len(source) if isinstance(source, bytes) else size_and_version(source)[0]) == 0:
            return _bad("the file is empty (0 bytes); copy it again or remove it")
        with open_recording(source, check=True) as recording:
            if recording.problem is not None:
                return _bad(f"{recording.problem}; copy the whole file again")
            return _decode(recording, keep)
    except UserError as error:  # of an object in a bucket
        seen = "" if error.found is None else f" (found: {error.found}; expected: {error.expected})"
        return _bad(f"{error.what}{seen}; {error.fix}")
    except FileNotFoundError:
        return _bad("no such file; restore it, or remove it from the list")
    except OSError as error:
        fix = "give read permission" if isinstance(error, PermissionError) else "replace or remove it"
        return _bad(f"{error.strerror or error}; {fix}")
    except NotDecodable as error:
        return _bad(f"not audio that can be decoded ({error}{_sniff(source)}); replace or remove it")


def _decode(recording: Recording, keep: list[NDArray[np.float32]] | None) -> AudioFacts:
    decoded, peak, power, mean_power = 0, 0.0, 0.0, 0.0
    stereo = False
    for block_NC in recording.blocks():
        if not np.isfinite(block_NC).all():
            first = decoded + int(np.argmin(np.isfinite(block_NC).all(axis=1)))
            return _bad(f"sample {first:,} is not a finite number; export the recording again")
        decoded += len(block_NC)
        peak = max(peak, float(np.abs(block_NC).max()))
        stereo = block_NC.shape[1] == 2
        if stereo:
            power += float(np.square(block_NC, dtype=np.float64).sum()) / 2
            mean_power += float(np.square(block_NC.mean(axis=1, dtype=np.float64)).sum())
        if keep is not None:
            keep.append(block_NC)
    if decoded == 0:
        return _bad("no samples (zero length); record it again or remove it")
    promised = recording.samples
    if promised is not None and decoded < promised:
        return _bad(f"truncated: {decoded:,} of {promised:,} samples; copy the whole file again")
    notes = [] if recording.note is None else [recording.note]
    channel, gain = None, 1.0
    if stereo and power > 0 and mean_power < _ANTIPHASE * power:
        channel = 0
        notes.append("its two channels cancel each other (opposite phase): only the first one is read")
    if peak > _INTEGER_PEAK:
        bits = 16 if peak <= 1 << 15 else 32
        if peak > 1 << 31:
            return _bad(f"samples of up to {peak:.3g}, where full scale is 1; export the recording again")
        gain = 2.0 ** (1 - bits)
        notes.append(f"its floats have the scale of {bits}-bit integers: divided by {2 ** (bits - 1):,}")
    return AudioFacts(decoded, recording.rate, None, channel, gain, notes)


def _bad(problem: str) -> AudioFacts:
    return AudioFacts(0, 0, problem)


def _sniff(source: AnyPath | bytes) -> str:
    """Tell a text file that only has an audio file's name."""
    if isinstance(source, bytes):
        start = source[:512]
    else:
        with source.open("rb") as stream:
            start = stream.read(512)
    try:
        start.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "; its contents are text" if b"\0" not in start else ""


def sha256(path: Path) -> str:
    """The sha256 of a file's contents; ``absent`` if it is not a regular file or can't be read."""
    try:
        regular_file(path)
        return sha256_of(path)
    except OSError:
        return "absent"


def content_mark(path: AnyPath) -> str:
    """What stands for a file's contents in a fingerprint: their sha256, or of an object that of its size and stamp.

    ``absent`` if it is not a regular file or can't be read.
    """
    if isinstance(path, Path):
        return sha256(path)
    try:
        return hashlib.sha256(str(path.facts()).encode()).hexdigest()
    except FileNotFoundError:
        return "absent"


def in_threads(
    description: str | None, items: Sequence[_Item], work: Callable[[_Item], _Result], workers: int
) -> Iterator[_Result]:
    """Results of ``work`` in the order of the items; a bounded number of calls waits at a time.

    :param description: for the progress that is shown; None to show none.
    """
    waiting: deque[Future[_Result]] = deque()
    shown = progress(description, len(items), "files") if description is not None else nullcontext()
    with ThreadPoolExecutor(workers) as pool, shown as bar:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 16 * workers:
                yield waiting.popleft().result()
                if bar is not None:
                    bar.advance()
        for future in waiting:
            yield future.result()
            if bar is not None:
                bar.advance()
