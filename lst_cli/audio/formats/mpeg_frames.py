"""The frames of an MPEG audio stream (ISO 11172-3, ISO 13818-3), found by their headers and not by an estimate.

A stream has no length of its own. A Xing, Info or VBRI header in its first frame may state one; then it must agree
with the frames that are there. Without one the frames are counted.
"""

from __future__ import annotations

import io
import mmap
import struct
from array import array
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from lst_cli.audio.formats.container import Container, NotDecodable

DECODER_DELAY = 529
"""Samples by which every decoder is late."""

ENCODER_DELAY = 576
"""LAME's delay in samples, assumed where the stream does not state it."""

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KBPS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By (MPEG version, layer bits): version 3 is MPEG-1; layer bits 3, 2, 1 are layers I, II, III."""


@dataclass(frozen=True)
class MpegFrames:
    """Positions of the frames of a stream, and which of the decoder's samples are the recording."""

    starts: array[int]
    """First byte of each frame."""
    sizes: array[int]
    """Bytes of each frame."""
    frame_samples: int
    rate: int
    codec: str
    """FFmpeg's name of the decoder."""
    skip: int
    """Samples to drop at the start: the delay of encoder and decoder."""
    samples: int
    """Samples of the recording."""


@lru_cache(maxsize=1)
def _header_table() -> tuple[array[int], array[int]]:
    """Frame length in bytes by bytes 1 and 2 of a header (0: no header), and a key that is one throughout a stream."""
    lengths, keys = array("H", bytes(2 << 16)), array("H", bytes(2 << 16))
    for code in range(1 << 16):
        first, second = code >> 8, code & 255
        version, layer = first >> 3 & 3, first >> 1 & 3
        bitrate, rate = second >> 4, second >> 2 & 3
        if first >> 5 != 7 or version == 1 or layer == 0 or rate == 3 or bitrate in (0, 15):
            continue
        kbps = _KBPS[3 if version == 3 else 2, layer if version == 3 or layer == 3 else 2][bitrate - 1]
        hertz, padding = _RATES[version][rate], second >> 1 & 1
        if layer == 3:
            length = (12_000 * kbps // hertz + padding) * 4
        else:
            length = (72_000 if layer == 1 and version != 3 else 144_000) * kbps // hertz + padding
        lengths[code] = length
        keys[code] = (first & 0x1E) << 8 | (second & 0x0C)
    return lengths, keys


def starts_stream(data: bytes) -> bool:
    """Whether the bytes begin with two frames of one stream."""
    lengths, keys = _header_table()
    if len(data) < 4 or data[0] != 0xFF:
        return False
    code = data[1] << 8 | data[2]
    after = lengths[code]
    if not after:
        return False
    if after + 3 > len(data):
        return after >= len(data)  # a single frame
    code_after = data[after + 1] << 8 | data[after + 2]
    return data[after] == 0xFF and bool(lengths[code_after]) and keys[code_after] == keys[code]


def holds_stream(data: bytes) -> bool:
    """Whether three frames of one stream follow each other somewhere, or one is all there is."""
    lengths, _ = _header_table()
    at = -1
    while (at := data.find(b"\xff", at + 1)) >= 0 and at + 4 <= len(data):
        length = lengths[data[at + 1] << 8 | data[at + 2]]
        if length and starts_stream(data[at:]) and (at + length >= len(data) or starts_stream(data[at + length :])):
            return True
    return False


def tag_size(data: bytes) -> int:
    """Bytes of the ID3, APE or Lyrics tag that ``data`` begins with (its first 32 bytes are enough); 0 if none."""
    if data[:3] == b"ID3" and len(data) >= 10 and max(data[6:10]) < 128:
        size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
        return size + (20 if data[5] & 0x10 else 10)
    if data[:4] == b"TAG+":
        return 227
    if data[:3] == b"TAG":
        return 128
    if data[:8] == b"APETAGEX" and len(data) >= 24:
        size, _, flags = struct.unpack("<III", data[12:24])
        header = bool(flags & 0x20000000)  # this is the header: size counts items and footer
        return 32 + (size if header else 0)
    return 0


def mpeg_container(file: BinaryIO, start: int, end: int) -> Container:
    """Find all frames of a stream in bytes ``[start, end)``.

    :raises NotDecodable: there are none.
    """
    data = _contents(file)
    starts, sizes, problem = _walk(data, start, end)
    if not starts:
        raise NotDecodable("no MPEG audio frame in it")
    head = data[starts[0] : starts[0] + 4]
    version, layer, hertz = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 2 & 3
    per_frame = 384 if layer == 3 else 576 if layer == 1 and version != 3 else 1152
    info = _Info.read(data[starts[0] : starts[0] + sizes[0]], version == 3, head[3] >> 6 == 3)
    skip, trim = (DECODER_DELAY + ENCODER_DELAY, 0) if layer == 1 else (0, 0)
    if info is not None:
        del starts[0], sizes[0]
        if info.frames is not None and len(starts) < info.frames - (0 if info.exact else 1):
            problem = problem or f"truncated: {len(starts):,} of {info.frames:,} MPEG frames"
        if info.delay is not None:
            skip = DECODER_DELAY + info.delay
            # More frames than promised: another stream follows, whose padding is not known.
            if info.frames is None or len(starts) <= info.frames:
                trim = max(0, info.padding - DECODER_DELAY)
    total = len(starts) * per_frame - skip - trim
    frames = MpegFrames(starts, sizes, per_frame, _RATES[version][hertz], f"mp{4 - layer}float", skip, max(0, total))
    return Container(mpeg=frames, problem=problem)


def _contents(file: BinaryIO) -> bytes | mmap.mmap:
    """The bytes of a file, mapped where it is a file on disk."""
    if isinstance(file, io.BytesIO):
        return file.getvalue()
    try:
        file.fileno()
    except io.UnsupportedOperation:  # in a bucket
        file.seek(0)
        return file.read()
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _walk(data: bytes | mmap.mmap, at: int, end: int) -> tuple[array[int], array[int], str | None]:
    """Starts and sizes of all frames, and the non-audio bytes between or after them."""
    lengths, keys = _header_table()
    starts, sizes = array("Q"), array("H")
    key, problem = 0, None
    while at + 4 <= end:
        code = data[at + 1] << 8 | data[at + 2]
        size = lengths[code] if data[at] == 0xFF else 0
        if size and (not starts or keys[code] == key):
            if at + size > end:
                return starts, sizes, problem or f"truncated: {end - at:,} of {size:,} bytes of the last MPEG frame"
            key = keys[code]
            starts.append(at)
            sizes.append(size)
            at += size
            continue
        size = tag_size(data[at : at + 32])
        if size:
            at += size
            continue
        after = _resync(data, at, end, key if starts else None)
        junk = data[at:after].strip(b"\0")
        if junk and starts and not junk.startswith((b"LYRICSBEGIN", b"APETAGEX")):
            problem = problem or f"damaged: {len(junk):,} bytes that are no MPEG audio after frame {len(starts):,}"
        at = after
    return starts, sizes, problem


def _resync(data: bytes | mmap.mmap, at: int, end: int, key: int | None) -> int:
    """The next byte at which two frames, a last frame, or a tag begins."""
    lengths, keys = _header_table()
    marks = (data.find(mark, at + 1, end) for mark in (b"TAG", b"APETAGEX", b"ID3"))
    tag = min((found for found in marks if found >= 0), default=end)
    while (at := data.find(b"\xff", at + 1, end)) >= 0 and at + 4 <= end and at < tag:
        code = data[at + 1] << 8 | data[at + 2]
        size = lengths[code]
        if not size or (key is not None and keys[code] != key):
            continue
        if at + size == end or starts_stream(data[at : at + size + 4]):
            return at
    return tag


@dataclass(frozen=True)
class _Info:
    """The contents of a Xing, Info or VBRI header."""

    frames: int | None
    delay: int | None
    padding: int
    exact: bool
    """Written by an encoder known to count right."""

    @staticmethod
    def read(frame: bytes, mpeg1: bool, mono: bool) -> _Info | None:
        """The header in the first frame of a stream, if it has one."""
        at = 4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17))
        if frame[36:40] == b"VBRI" and len(frame) >= 54:
            return _Info(struct.unpack(">I", frame[50:54])[0], None, 0, False)
        if frame[at : at + 4] not in (b"Xing", b"Info") or len(frame) < at + 8:
            return None
        (flags,) = struct.unpack(">I", frame[at + 4 : at + 8])
        at += 8
        frames = struct.unpack(">I", frame[at : at + 4])[0] if flags & 1 and len(frame) >= at + 4 else None
        at += 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
        known = frame[at : at + 4] in (b"LAME", b"Lavc", b"Lavf", b"L3.9")
        if len(frame) < at + 24 or not known:
            return _Info(frames, None, 0, False)
        delays = int.from_bytes(frame[at + 21 : at + 24], "big")
        return _Info(frames, delays >> 12, delays & 0xFFF, True)
