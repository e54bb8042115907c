"""FLAC: the number of samples in its STREAMINFO block, held against the last frame; counted where it is unknown."""

from __future__ import annotations

from typing import BinaryIO

from lst_cli.audio.formats.container import AudioPart, Container, NotDecodable

_TOTAL_AT = 21
"""First byte of STREAMINFO's number of samples: its low half, and the 4 bytes that follow."""


def flac_container(file: BinaryIO, start: int, size: int, check: bool) -> Container:
    """Look at a FLAC stream that begins at byte ``start``.

    libsndfile cannot read a stream of unknown length, so it is given a header with the counted length.

    :param check: hold a known length against the last frame.
    """
    file.seek(start)
    head = file.read(42)
    if len(head) < 42 or head[4] & 0x7F != 0:
        raise NotDecodable("a truncated FLAC header")
    promised = (head[_TOTAL_AT] & 0x0F) << 32 | int.from_bytes(head[_TOTAL_AT + 1 : _TOTAL_AT + 5], "big")
    problem = None
    unknown = promised == 0
    if unknown:
        promised = count_samples(file, start, size)
        head = _with_total(head, promised)
    elif check:
        end = _last_sample(file, start, size, head)
        # A chance match of the frame header's checksum is possible, so the whole stream is counted before a reject.
        if end > promised and (end := count_samples(file, start, size)) > promised:
            problem = f"the header says {promised:,} samples, but the stream has {end:,}"
        elif second := _second_stream(file, start + 42, size):
            problem = f"another FLAC stream begins at byte {second:,} of {size:,}: files that were joined"
    counted = (AudioPart(start=start, end=size, head=head),) if start or unknown else ()
    return Container(parts=counted, problem=problem)


def _with_total(head: bytes, total: int) -> bytes:
    first = head[_TOTAL_AT] & 0xF0 | total >> 32 & 0x0F
    return head[:_TOTAL_AT] + bytes([first]) + (total & 0xFFFFFFFF).to_bytes(4, "big") + head[_TOTAL_AT + 5 :]


def count_samples(file: BinaryIO, start: int, size: int) -> int:
    """Samples per channel, by decoding the stream.

    :raises NotDecodable: a frame is damaged.
    """
    from lst_cli.audio.formats.byte_range import ByteRange
    from lst_cli.audio.formats.ffmpeg_reader import FfmpegReader

    reader = FfmpegReader(ByteRange(file, start, size), "flac")
    return sum(len(block_NC) for block_NC in reader.blocks())


def _second_stream(file: BinaryIO, at: int, size: int) -> int | None:
    """The byte at which another stream begins: libsndfile reads the first one only."""
    mark = b"fLaC\x00\x00\x00\x22"
    file.seek(at)
    before = b""
    while data := file.read(1 << 20):
        joined = before + data
        for start in (mark, b"fLaC\x80\x00\x00\x22"):
            if (found := joined.find(start)) >= 0:
                return at - len(before) + found
        at += len(data)
        before = joined[-len(mark) + 1 :]
    return None


def _last_sample(file: BinaryIO, start: int, size: int, head: bytes) -> int:
    """Where the last frame ends, in samples; 0 if no frame header is found near the end."""
    largest = int.from_bytes(head[15:18], "big") or 1 << 16
    file.seek(max(start + 42, size - largest - (1 << 12)))
    tail = file.read()
    block = int.from_bytes(head[10:12], "big")
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        found = _frame_end(tail[at : at + 16], block)
        if found is not None:
            return found
    return 0


def _frame_end(frame: bytes, block: int) -> int | None:
    """The sample behind a frame (RFC 9639, section 9.1), or None if these bytes are not a frame header."""
    if len(frame) < 16 or frame[1] & 0xFE != 0xF8 or frame[3] & 1:
        return None
    size_code, rate_code = frame[2] >> 4, frame[2] & 15
    ones = 0
    while ones < 8 and frame[4] & 0x80 >> ones:
        ones += 1
    if size_code == 0 or rate_code == 15 or ones in (1, 8):
        return None
    number = frame[4] & (0x7F >> ones)
    at = 5
    for _ in range(ones - 1):
        if frame[at] & 0xC0 != 0x80:
            return None
        number = number << 6 | frame[at] & 0x3F
        at += 1
    if size_code in (6, 7):
        width = size_code - 5
        samples = int.from_bytes(frame[at : at + width], "big") + 1
        at += width
    else:
        samples = 192 if size_code == 1 else 576 << size_code - 2 if size_code < 6 else 256 << size_code - 8
    at += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if _crc8(frame[:at]) != frame[at]:
        return None
    return (number if frame[1] & 1 else number * block) + samples


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
