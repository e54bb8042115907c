"""The inputs of transcription: from the user's arguments to segments of audio or speech tokens, in bounded memory.

Legend: N samples at a file's own rate, T samples at 16 kHz, C channels.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lst_cli.artifacts import Artifact, Store
from lst_cli.audio.corpus_artifact import CORPUS, Corpus
from lst_cli.audio.decode import resampled_length, to_mono
from lst_cli.audio.formats import NotDecodable, Recording, open_recording
from lst_cli.audio.layouts.listing import AUDIO_SUFFIXES, files_below, find_file, is_audio
from lst_cli.audio.layouts.manifest_file import is_manifest, read_manifest
from lst_cli.errors import UserError
from lst_cli.inference.segmentation import quietest_cut
from lst_cli.storage.bucket_path import AnyPath
from lst_cli.units.frames import RATE_HZ, SAMPLE_RATE
from lst_cli.units.tokens import TOKENS, Tokens

BLOCK_S = 60
"""Seconds of a file that are resampled at a time, at most."""

_SPEECH_RATES_HZ = range(4_000, 768_001)
"""Rates that a recording of speech may have."""

OVERRUN_S = 0.5
"""A clip may end this many seconds after its file does: manifests round."""

STANDARD_INPUT = "-"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A part of a clip that is transcribed at once."""

    clip: str
    """Id of the clip: a path as given, or the id of an utterance."""
    start_s: float
    end_s: float
    last: bool
    """Whether the clip ends with it."""
    wave_T: NDArray[np.float32] | None = None
    units: NDArray[np.uint16] | None = None
    """One of both."""


@dataclass(frozen=True, kw_only=True)
class UnreadableClip:
    """A clip, or the rest of one, that can't be read."""

    clip: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class _Clip:
    """A stretch of a file, or why there is none."""

    name: str
    path: AnyPath | None
    """None is standard input."""
    start_s: float = 0.0
    end_s: float | None = None
    """None for the file's end."""
    rate: int | None = None
    """Sample rate of the file in Hz, if known."""
    channel: int | None = None
    """The one channel to read; None for the mean of all."""
    gain: float = 1.0
    """Factor for every sample."""
    problem: str | None = None


def is_one_file(arguments: Sequence[str]) -> bool:
    """Whether all there is to transcribe is one recording."""
    (first, *others) = arguments
    path = Path(first)
    return not others and (first == STANDARD_INPUT or (path.is_file() and not is_manifest(path)))


def segments(
    arguments: Sequence[str], store: Store, longest_s: float, *, with_audio: bool = False
) -> Iterator[Segment | UnreadableClip]:
    """All segments of files, folders, manifests, artifacts and standard input (``-``), in order.

    :param longest_s: longer audio is split where it is quietest. Speech tokens are never split.
    :param with_audio: refuse what has no audio.
    :raises UserError: an argument is neither a file, a folder with audio nor a corpus or tokens artifact.
    """
    for source in [_source(argument, store, with_audio) for argument in arguments]:
        if not isinstance(source, Artifact):
            for clip in source:
                yield from _of_clip(clip, longest_s)
        elif source.kind == TOKENS.name:
            for name, units in Tokens(source):
                yield Segment(clip=name, start_s=0.0, end_s=len(units) / RATE_HZ, last=True, units=units)
        else:
            for utterance in Corpus(source):
                rate = utterance.sample_rate
                start, end = utterance.offset / rate, (utterance.offset + utterance.samples) / rate
                clip = _Clip(
                    name=utterance.id,
                    path=utterance.path,
                    start_s=start,
                    end_s=end,
                    rate=rate,
                    channel=utterance.channel,
                    gain=utterance.gain,
                )
                yield from _of_clip(clip, longest_s)


def _source(argument: str, store: Store, with_audio: bool) -> list[_Clip] | Artifact:
    path = Path(argument)
    if argument == STANDARD_INPUT:
        return [_Clip(name=STANDARD_INPUT, path=None)]
    if is_manifest(path):
        return [
            _Clip(
                name=entry.id,
                path=find_file(entry.path),
                start_s=entry.start_s,
                end_s=entry.end_s,
                channel=entry.channel,
                problem=entry.problem,
            )
            for entry in read_manifest(path, with_text=False).entries
        ]
    if path.is_file():
        return [_Clip(name=argument, path=path)]
    if path.is_dir() and not (path / "artifact.json").is_file():
        return _in_folder(path)
    kind = argument.strip("/").split("/")[0]
    if path.is_dir() or kind in (TOKENS.name, CORPUS.name):
        artifact = store.find_any(argument)
        if artifact.kind == TOKENS.name and with_audio:
            raise UserError(
                f"{argument}: an aligner needs audio, which a tokens artifact lacks",
                fix="give the corpus that they were made from, or omit --aligner",
            )
        return store.find(argument, TOKENS if artifact.kind == TOKENS.name else CORPUS)
    raise UserError(
        f"{argument}: no such file or folder",
        expected="audio files, folders, a manifest (.tsv, .jsonl, .parquet), a corpus or tokens artifact, "
        "or - for standard input",
    )


def _in_folder(folder: Path) -> list[_Clip]:
    files = [each for each in files_below(folder) if is_audio(each)]
    if not files:
        raise UserError(
            f"{folder}: no audio in this folder",
            expected=f"files that end in {', '.join(sorted(AUDIO_SUFFIXES))}",
        )
    return [_Clip(name=str(each), path=each) for each in files]


def _of_clip(clip: _Clip, longest_s: float) -> Iterator[Segment | UnreadableClip]:
    """Segments of a clip. One that breaks off has its segments up to there, and the reason."""
    try:
        if clip.problem is not None:
            raise UserError(clip.problem)
        yield from _cut(clip.name, _blocks(clip), longest_s)
    except UserError as error:
        reason = f"{error.what} (found: {error.found})" if error.found else error.what
        yield UnreadableClip(clip=clip.name, reason=reason)


def _blocks(clip: _Clip) -> Iterator[NDArray[np.float32]]:
    """Mono audio at 16 kHz, in blocks of :data:`BLOCK_S`; the same samples as if it were read at once."""
    if clip.path is None:
        # Length and format can be determined from a file, not from a pipe.
        with tempfile.NamedTemporaryFile(prefix="lst-") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
            yield from _blocks(_Clip(name=clip.name, path=Path(copy.name)))
        return
    try:
        with open_recording(clip.path, check=clip.rate is None) as recording:
            yield from _resampled(_samples(clip, recording), recording.rate)
    except FileNotFoundError:
        raise UserError(f"{clip.name}: the audio file is gone") from None
    except (NotDecodable, OSError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{clip.name}: no readable audio", found=found) from None


def _samples(clip: _Clip, recording: Recording) -> Iterator[NDArray[np.float32]]:
    """Mono samples of a clip at the file's own rate.

    :raises UserError: there are none, or fewer than the clip or the file's header promise, or one is not finite.
    """
    rate = recording.rate
    if rate not in _SPEECH_RATES_HZ:
        raise UserError(f"{clip.name}: not a recording of speech", found=f"{rate:,} samples a second")
    if clip.rate not in (None, rate):
        raise UserError(f"{clip.name}: the file was changed after the corpus was made", found=f"{rate:,} Hz")
    start = round(clip.start_s * rate)
    limit = None if clip.end_s is None else round(clip.end_s * rate) - start
    read = 0
    for block_NC in recording.blocks(start, limit):
        read += len(block_NC)
        if not np.isfinite(block_NC).all():
            raise UserError(f"{clip.name}: samples are not finite numbers")
        for first in range(0, len(block_NC), BLOCK_S * rate):
            yield to_mono(block_NC[first : first + BLOCK_S * rate], clip.channel, clip.gain)
    if not read:
        raise UserError(f"{clip.name}: no samples in the file" + (f" from {clip.start_s:g} s on" if start else ""))
    if limit is not None and read <= limit - OVERRUN_S * rate:
        raise UserError(f"{clip.name}: the file ends {(limit - read) / rate:.2f} s before the clip does")
    if recording.problem is not None:
        raise UserError(f"{clip.name}: {recording.problem}")


def _resampled(blocks: Iterator[NDArray[np.float32]], rate: int) -> Iterator[NDArray[np.float32]]:
    """Blocks at 16 kHz; their lengths add up to :func:`~lst_cli.audio.decode.resampled_length`."""
    if rate == SAMPLE_RATE:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    read = made = 0
    for block_N in blocks:
        read += len(block_N)
        block_T = stream.resample_chunk(block_N)
        made += len(block_T)
        yield block_T
    rest_T = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    missing = max(resampled_length(read, rate) - made, 0)
    yield np.pad(rest_T[:missing], (0, max(missing - len(rest_T), 0)))


def _cut(name: str, blocks: Iterator[NDArray[np.float32]], longest_s: float) -> Iterator[Segment]:
    """Segments of a clip that is read in blocks."""
    longest = int(longest_s * SAMPLE_RATE)
    start = 0
    rest_T: NDArray[np.float32] = np.zeros(0, np.float32)

    def segment(wave_T: NDArray[np.float32], last: bool) -> Segment:
        return Segment(
            clip=name, start_s=start / SAMPLE_RATE, end_s=(start + len(wave_T)) / SAMPLE_RATE, last=last, wave_T=wave_T
        )

    for block_T in blocks:
        rest_T = np.concatenate([rest_T, block_T])
        while len(rest_T) > longest:
            stop = quietest_cut(rest_T, longest_s)
            yield segment(rest_T[:stop], False)
            start, rest_T = start + stop, rest_T[stop:]
    yield segment(rest_T, True)
