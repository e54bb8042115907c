"""Uncompressed audio (WAV, RF64, AIFF, AU, CAF, NIST SPHERE): is the header's data size that of the file?

A streamed file has a placeholder for the size; its audio goes to the end of the file. Any other size must match the
bytes: fewer bytes mean that the file was truncated, and more that the size is wrong (it wraps at 4 GiB).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from lst_cli.audio.formats.container import RATES_HZ, AudioPart, Container, NotDecodable
from lst_cli.audio.formats.mpeg_frames import mpeg_container

SLACK_BYTES = 128
"""Some writers count a header into the size, or omit the last few bytes."""

_PLACEHOLDERS_FROM = 0x7FFF0000
"""Data sizes from here on are placeholders unless the file is as large: 0x7FFFF000, 0x80000000, 0xFFFFFFFF, …"""

_PCM, _FLOAT, _ALAW, _MULAW, _MP3, _EXTENSIBLE = 1, 3, 6, 7, 0x55, 0xFFFE
_NOT_SOUGHT = (0x31, 0x40)
"""GSM 6.10 and G.721, in which libsndfile can't seek."""

_SUBTYPES = {
    (_PCM, 8): "PCM_U8",
    (_PCM, 16): "PCM_16",
    (_PCM, 24): "PCM_24",
    (_PCM, 32): "PCM_32",
    (_FLOAT, 32): "FLOAT",
    (_FLOAT, 64): "DOUBLE",
    (_ALAW, 8): "ALAW",
    (_MULAW, 8): "ULAW",
}
_TRAILERS = frozenset(
    (b"LIST", b"id3 ", b"ID3 ", b"bext", b"fact", b"cue ", b"smpl", b"JUNK", b"junk", b"FLLR", b"PAD ", b"iXML")
)
_MORE_AUDIO = frozenset((b"RIFF", b"RF64", b"BW64", b"FORM", b"fmt ", b"data", b"SSND"))
"""Behind the audio these begin more audio: files that were joined byte by byte."""


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    start: int
    """First byte of the contents."""
    size: int
    """As the header says."""


@dataclass(frozen=True)
class _Format:
    tag: int
    channels: int
    rate: int
    block: int
    """Bytes of one sample of all channels."""
    bits: int


def _chunks(file: BinaryIO, start: int, size: int, order: str, last: bytes) -> Iterator[_Chunk]:
    """Chunks of an IFF-like file up to the one named ``last``."""
    at = start
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        yield _Chunk(name, at + 8, length)
        if name == last:
            return
        at += 8 + length + length % 2


def wav_container(file: BinaryIO, size: int) -> Container:
    """Look at a RIFF, RF64 or BW64 file.

    :raises NotDecodable: it has no format or no data.
    """
    form: _Format | None = None
    long_size: int | None = None
    for chunk in _chunks(file, 12, size, "<", b"data"):
        file.seek(chunk.start)
        if chunk.name == b"ds64" and chunk.size >= 24:
            long_size = struct.unpack("<8xQ", file.read(16))[0] if size >= chunk.start + 16 else None
        elif chunk.name == b"fmt ":
            form = _read_format(file.read(min(chunk.size, 40)))
        elif chunk.name == b"data":
            if form is None:
                break
            return _wav_data(file, size, form, chunk, long_size)
    raise NotDecodable("a WAV header without a format and data behind it")


def _read_format(data: bytes) -> _Format:
    if len(data) < 16:
        raise NotDecodable("a WAV header with a truncated format")
    tag, channels, rate, _, block, bits = struct.unpack("<HHIIHH", data[:16])
    if tag == _EXTENSIBLE and len(data) >= 26:
        tag = struct.unpack("<H", data[24:26])[0]
    if not channels or rate not in RATES_HZ:
        raise NotDecodable(f"a WAV header of {channels} channels at {rate} Hz")
    return _Format(tag, channels, rate, block, bits)


def _wav_data(file: BinaryIO, size: int, form: _Format, chunk: _Chunk, long_size: int | None) -> Container:
    there = size - chunk.start
    if form.tag == _MP3:
        return mpeg_container(file, chunk.start, min(size, chunk.start + chunk.size))
    promised = long_size if long_size is not None and chunk.size == 0xFFFFFFFF else chunk.size
    problem = _compare(file, size, chunk.start, promised, "<")
    if form.tag in _NOT_SOUGHT:
        return Container(ffmpeg="wav", problem=problem)
    whole = promised <= there and (promised > 0 or _only_chunks(file, chunk.start, size, "<"))
    subtype = _SUBTYPES.get((form.tag, form.bits))
    if problem is not None or whole or subtype is None:
        return Container(problem=problem)
    # libsndfile would stop at the header's size, or reject it: give it the raw bytes.
    block = form.channels * form.bits // 8
    end = chunk.start + there // block * block
    options = {"format": "RAW", "subtype": subtype, "channels": form.channels, "samplerate": form.rate}
    return Container(parts=(AudioPart(start=chunk.start, end=end, options={**options, "endian": "LITTLE"}),))


def _compare(file: BinaryIO, size: int, start: int, promised: int, order: str) -> str | None:
    """Hold the promised bytes of audio against those of the file; None if they agree or the size is a placeholder."""
    there = size - start
    if promised > there:
        unknown = _PLACEHOLDERS_FROM <= promised <= 0xFFFFFFFF or promised >= 1 << 62
        if unknown or promised - there <= SLACK_BYTES:
            return None
        return f"truncated: {there:,} of {promised:,} bytes of audio"
    behind = start + promised + promised % 2
    if size - behind <= SLACK_BYTES or _only_chunks(file, behind, size, order):
        return None
    if promised == 0:
        return None  # streamed, with a zero for the size that was never filled in
    return f"the header says {promised:,} bytes of audio, but {size - start - promised:,} more follow"


def _only_chunks(file: BinaryIO, at: int, size: int, order: str) -> bool:
    """Whether what follows the audio is chunks (or zeros) to the end of the file, and no more audio."""
    if _only_zeros(file, at):
        return True
    for _ in range(1000):
        if size - at < 8:
            return True
        file.seek(at)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        if name in _MORE_AUDIO:
            return False
        if name not in _TRAILERS and not (name.isascii() and name.decode().isprintable()):
            return False
        at += 8 + length
        if at > size:
            return name in _TRAILERS
        at += length % 2
    return False


def _only_zeros(file: BinaryIO, at: int) -> bool:
    """Whether the rest of the file is zeros."""
    file.seek(at)
    while data := file.read(1 << 20):
        if data.strip(b"\0"):
            return False
    return True


def aiff_container(file: BinaryIO, size: int) -> Container:
    """Look at an AIFF or AIFF-C file."""
    for chunk in _chunks(file, 12, size, ">", b"SSND"):
        if chunk.name == b"SSND":
            return Container(problem=_compare(file, size, chunk.start, chunk.size, ">"))
    raise NotDecodable("an AIFF header without audio behind it")


def au_container(file: BinaryIO, size: int) -> Container:
    """Look at an AU file: magic, offset and size of the data, big-endian."""
    file.seek(0)
    header = file.read(12)
    if len(header) < 12:
        raise NotDecodable("a truncated AU header")
    start, promised = struct.unpack(">4xII", header)
    return Container(problem=_compare(file, size, start, promised, ">") if start <= size else None)


def caf_container(file: BinaryIO, size: int) -> Container:
    """Look at a Core Audio file: chunks with 64-bit sizes, -1 where the size is unknown."""
    at = 8
    while at + 12 <= size:
        file.seek(at)
        name, length = struct.unpack(">4sq", file.read(12))
        if name == b"data":
            if length > size - at - 12:
                return Container(problem=f"truncated: {size - at - 12:,} of {length:,} bytes of audio")
            break
        if length < 0:
            break
        at += 12 + length
    return Container()


def w64_container(file: BinaryIO, size: int) -> Container:
    """Look at a Sony Wave64 file: chunks of a 16-byte name and a 64-bit size that counts both, to multiples of 8."""
    at = 40
    while at + 24 <= size:
        file.seek(at)
        name, length = struct.unpack("<4s12xQ", file.read(24))
        if name == b"data":
            promised, there = length - 24, size - at - 24
            cut = there < promised < 1 << 62
            return Container(problem=f"truncated: {there:,} of {promised:,} bytes of audio" if cut else None)
        at += max(24, length + -length % 8)
    raise NotDecodable("a Wave64 header without audio behind it")


def sphere_container(file: BinaryIO, size: int) -> Container:
    """Look at a NIST SPHERE file: text fields in a header of (mostly) 1,024 bytes; TIMIT's ``.WAV`` are such."""
    file.seek(0)
    header = file.read(1024).decode("latin-1")
    fields = {words[0]: words[2] for line in header.split("\n") if len(words := line.split(maxsplit=2)) == 3}
    if "pcm" not in fields.get("sample_coding", "pcm") or "," in fields.get("sample_coding", ""):
        return Container(ffmpeg="nistsphere")  # compressed with shorten
    try:
        start = int(header.split("\n")[1])
        names = ("sample_count", "sample_n_bytes", "channel_count")
        count, width, channels = (int(fields[name]) for name in names)
    except (ValueError, KeyError, IndexError):
        return Container()
    return Container(problem=_compare(file, size, start, count * width * channels, "<"))
