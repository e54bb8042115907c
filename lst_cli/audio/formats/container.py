"""Facts about a file's audio from its bytes, before decoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lst_cli.audio.formats.mpeg_frames import MpegFrames


RATES_HZ = range(1_000, 10_000_000)
"""Sample rates that are taken for real ones; any other is a damaged header."""


class NotDecodable(Exception):
    """The bytes can't be decoded as audio; the message says why."""


@dataclass(frozen=True, kw_only=True)
class AudioPart:
    """A range of bytes that libsndfile decodes on its own."""

    start: int
    end: int
    head: bytes = b""
    """Replaces the first bytes of the range."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of ``soundfile.SoundFile``."""
    last_page: int | None = None
    """Samples in the last page of an Ogg stream, where libsndfile's seeking is wrong; None for other streams."""


@dataclass(frozen=True, kw_only=True)
class Container:
    """Which decoder reads a file, and what its headers promise.

    With neither ``parts`` nor ``mpeg`` nor ``ffmpeg``, libsndfile reads the whole file.
    """

    parts: tuple[AudioPart, ...] = ()
    """Decoded one after the other and joined."""
    mpeg: MpegFrames | None = None
    """Frames of an MPEG audio stream."""
    ffmpeg: str | None = None
    """FFmpeg's name of the format."""
    problem: str | None = None
    """How the headers and the bytes of the file contradict each other, with both numbers."""
    note: str | None = None
    """A note for the user; the file can be used."""
