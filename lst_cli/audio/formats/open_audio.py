"""The one way to decode audio: from a file or from bytes, whole or from any sample on.

Legend: N samples at the file's own rate, C channels.
"""

from __future__ import annotations

import io
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from lst_cli.audio.formats.byte_range import KeptErrors
from lst_cli.audio.formats.container import RATES_HZ, AudioPart, Container, NotDecodable
from lst_cli.audio.formats.flac_stream import flac_container
from lst_cli.audio.formats.mpeg_frames import holds_stream, mpeg_container, tag_size
from lst_cli.audio.formats.ogg_pages import ogg_container
from lst_cli.audio.formats.pcm_headers import (
    aiff_container,
    au_container,
    caf_container,
    sphere_container,
    w64_container,
    wav_container,
)
from lst_cli.storage.bucket_path import AnyPath, BucketPath

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FFMPEG = (
    (4, b"ftyp", "mp4"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"\x30\x26\xb2\x75", "asf"),
    (0, b"#!AMR", "amr"),
    (0, b"MAC ", "ape"),
    (0, b"wvpk", "wv"),
    (0, b"TTA1", "tta"),
    (0, b"FLV", "flv"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
)
"""(position, bytes there, FFmpeg's name) of the formats that libsndfile does not read."""


class RecordingReader(Protocol):
    """Decodes one container."""

    rate: int
    samples: int | None
    note: str | None
    """A note for the user, or None."""

    def blocks(self, offset: int = 0, limit: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Samples ``[N, C]`` from ``offset`` to the end, or until there are at least ``limit``."""
        ...

    def close(self) -> None:
        """Close all open files."""
        ...


class Recording:
    """Audio that is open for decoding."""

    def __init__(self, reader: RecordingReader, container: Container) -> None:
        self.rate = reader.rate
        """Hz."""
        self.samples = reader.samples
        """Per channel, as the container promises; None if it does not."""
        self.problem = container.problem
        """How the headers and the bytes contradict each other, with both numbers; None if they agree."""
        self.note = container.note or reader.note
        """A note for the user, or None."""
        self._reader = reader

    def blocks(self, offset: int = 0, limit: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Samples ``[N, C]`` from ``offset`` on, in blocks, at most ``limit`` in all.

        :raises NotDecodable: the bytes can't be decoded.
        """
        left = limit
        for block_NC in self._reader.blocks(offset, limit):
            yield block_NC if left is None else block_NC[:left]
            if left is not None:
                left -= len(block_NC)
                if left <= 0:
                    return


@contextmanager
def open_recording(source: AnyPath | bytes, *, check: bool = False) -> Iterator[Recording]:
    """Open a file, on a disk or in a bucket, or the bytes of one.

    :param check: look also at what costs time and is not needed to decode: checksums, the last frame.
    :raises NotDecodable: the bytes are not audio.
    :raises OSError: the file can't be read, or is not a regular file.
    :raises UserError: a file in a bucket was removed, or is not the one that was listed.
    :raises LstError: the store can't be reached, or refuses access.
    """
    with ExitStack() as stack:
        if isinstance(source, bytes):
            file: BinaryIO = io.BytesIO(source)
            container = _look(file, len(source), check)
        else:
            size, version = size_and_version(source)
            file = stack.enter_context(source.open("rb"))
            if isinstance(source, BucketPath):
                kept = KeptErrors(file)
                stack.callback(kept.raise_kept)
                file = cast(BinaryIO, kept)
            container = _look(file, size, check) if check else _look_once(source, size, version)
        file.seek(0)
        try:
            reader = _reader(source, file, container)
        except NotDecodable as error:
            raise NotDecodable(container.problem or str(error)) from None
        stack.callback(reader.close)
        if reader.rate not in RATES_HZ:
            raise NotDecodable(f"a rate of {reader.rate:,} Hz")
        yield Recording(reader, container)


def size_and_version(path: AnyPath) -> tuple[int, object]:
    """Bytes of a file, and what changes when it is written again.

    :raises OSError: there is no such file, or it is not a regular one.
    :raises LstError: the store of a bucket can't be reached, or refuses access.
    """
    if isinstance(path, BucketPath):
        return path.facts()
    found = regular_file(path)
    return found.st_size, found.st_mtime_ns


def regular_file(path: Path) -> os.stat_result:
    """The status of a file; reading a pipe or a device might never end.

    :raises OSError: there is no such file, or it is not a regular one.
    """
    try:
        found = path.stat()
    except ValueError as error:  # a NUL in the name
        raise OSError(22, str(error)) from None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(22, "not a regular file (a folder, pipe, socket or device)")
    return found


@lru_cache(maxsize=64)
def _look_once(path: AnyPath, size: int, _version: object) -> Container:
    """Segments of one long file share the facts about it."""
    with path.open("rb") as file:
        return _look(file, size, False)


def _look(file: BinaryIO, size: int, check: bool) -> Container:
    """Recognise a container by its first bytes, whatever the file is called.

    :raises NotDecodable: its headers make no sense.
    """
    try:
        return _recognise(file, size, check)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise NotDecodable(f"damaged headers: {error}") from None


def _recognise(file: BinaryIO, size: int, check: bool) -> Container:
    start = 0
    file.seek(0)
    head = file.read(64)
    while start < size and head[:3] == b"ID3" and (skipped := tag_size(head)):
        start += skipped
        file.seek(start)
        head = file.read(64)
    if start >= size > 0:
        raise NotDecodable(f"an ID3 tag of {start:,} bytes in a file of {size:,}")
    kind = head[:4]
    if kind in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return wav_container(file, size)
    if kind == b"FORM" and head[8:11] == b"AIF":
        return aiff_container(file, size)
    if kind == b"fLaC":
        return flac_container(file, start, size, check)
    simple: dict[bytes, Callable[[BinaryIO, int], Container]] = {
        b".snd": au_container,
        b"caff": caf_container,
        b"riff": w64_container,
        b"NIST": sphere_container,
    }
    if kind in simple:
        return simple[kind](file, size)
    if kind == b"OggS":
        return ogg_container(file, size, check)
    for at, mark, name in _FFMPEG:
        if head[at : at + len(mark)] == mark:
            return Container(ffmpeg=name)
    file.seek(start)
    # libsndfile reads MPEG audio too, but estimates its length.
    return mpeg_container(file, start, size) if holds_stream(file.read(1 << 16)) else Container()


def _reader(source: AnyPath | bytes, file: BinaryIO, container: Container) -> RecordingReader:
    from lst_cli.audio.formats.ffmpeg_reader import FfmpegReader, MpegReader
    from lst_cli.audio.formats.sndfile_reader import SndfileReader

    if container.mpeg is not None:
        return MpegReader(file, container.mpeg)
    if container.ffmpeg is not None:
        return FfmpegReader(file, container.ffmpeg)
    whole = source if isinstance(source, Path) else file
    return SndfileReader(whole, file, container.parts or (AudioPart(start=0, end=-1),))
