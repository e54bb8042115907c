"""Ogg pages (RFC 3533): the links of a chained stream, and its missing or damaged parts."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from lst_cli.audio.formats.container import AudioPart, Container, NotDecodable

_FIRST, _LAST = 2, 4
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class _Page:
    at: int
    flags: int
    position: int
    """Samples (of Opus, at 48 kHz) up to the end of the page; -1 where no packet ends in it."""
    serial: int
    number: int
    size: int


def ogg_container(file: BinaryIO, size: int, check: bool) -> Container:
    """Look at every page of an Ogg file.

    libsndfile reads only the first link of a chain, so each link is decoded on its own.

    :param check: also take the checksum of every page.
    """
    links: list[int] = []
    last_pages: list[int] = []
    before = 0
    problem: str | None = None
    at, first_end = 0, -1
    numbers: dict[int, int] = {}
    foreign = False
    page: _Page | None = None
    while at < size:
        page_there = _page(file, at, size)
        if isinstance(page_there, str):
            problem = page_there
            break
        page = page_there
        if page.flags & _FIRST:
            # Several streams may run at a time, such as sound with a video.
            foreign |= bool(links and at == first_end) or not _is_read(file, page)
            if not foreign:
                numbers.clear()
            links.append(at)
            last_pages.append(0)
            before = 0
            first_end = at + page.size
        elif page.serial not in numbers:
            problem = f"damaged: page {page.number:,} belongs to a stream that did not begin"
        elif page.number != numbers[page.serial]:
            problem = f"damaged: page {page.number:,} follows page {numbers[page.serial] - 1:,}"
        if check and problem is None and not _sound(file, page):
            problem = f"damaged: page {page.number:,} has another checksum than it states"
        if problem is not None:
            break
        if page.position > before:
            last_pages[-1], before = page.position - before, page.position
        numbers[page.serial] = page.number + 1
        at += page.size
    if not links:
        raise NotDecodable("no Ogg stream in it")
    note = None
    if problem is None and page is not None and not page.flags & _LAST:
        note = "its last page does not end the Ogg stream; the end may be missing"
    if foreign:
        return Container(ffmpeg="ogg", problem=problem, note=note)
    parts = tuple(
        AudioPart(start=start, end=end, last_page=last)
        for start, end, last in zip(links, [*links[1:], at], last_pages, strict=True)
    )
    return Container(parts=parts, problem=problem, note=note)


def _page(file: BinaryIO, at: int, size: int) -> _Page | str:
    """The page at a byte, or the fault there."""
    file.seek(at)
    head = file.read(27)
    if len(head) < 27:
        return f"truncated: {len(head):,} of 27 bytes of the last page's header"
    magic, _, flags, position, serial, number, _, segments = struct.unpack("<4sBBqIIIB", head)
    if magic != b"OggS":
        return f"damaged: {size - at:,} of {size:,} bytes follow its last page"
    lacing = file.read(segments)
    whole = 27 + segments + sum(lacing)
    if len(lacing) < segments or at + whole > size:
        return f"truncated: the last page has {size - at:,} of {whole:,} bytes"
    return _Page(at, flags, position, serial, number, whole)


def _is_read(file: BinaryIO, page: _Page) -> bool:
    """Whether libsndfile reads the stream that begins with this page."""
    file.seek(page.at + 27)
    head = file.read(min(page.size, 300))
    return any(name in head for name in (b"vorbis", b"OpusHead"))


def _sound(file: BinaryIO, page: _Page) -> bool:
    """Whether a page has the checksum that it states.

    Ogg's CRC-32 has zlib's polynomial, but takes the bits in the other order and does not invert.
    """
    file.seek(page.at)
    data = bytearray(file.read(page.size))
    stated = struct.unpack("<I", data[22:26])[0]
    data[22:26] = bytes(4)
    crc = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2) == int(stated)
