"""Audio that FFmpeg's libraries decode: m4a, webm, wma and others; and single frames of MPEG audio.

Legend: N samples at the file's own rate, C channels.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lst_cli.audio.formats.container import NotDecodable
from lst_cli.audio.formats.mpeg_frames import MpegFrames

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FRAMES_AT_A_TIME = 256

_WARM_UP_FRAMES = 64
"""Frames decoded before the first one that is wanted.

A frame may use up to 511 bytes of the frames before it, and overlaps with one: the samples are then the same as when
everything before was decoded.
"""

_SEEK_BACK_S = 1.0

_STATE_DURATION = ("matroska", "asf", "ape", "wv", "tta", "flv")
_DURATION_SLACK_S = 0.25
"""These containers state a duration, in rounded time and with the encoder's delay."""


def _libav() -> Any:
    import av

    av.logging.set_level(av.logging.PANIC)
    return av


def _floats(frame: Any) -> NDArray[np.float32]:
    """Samples ``[N, C]`` of a decoded frame, in [-1, 1]."""
    data: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, len(frame.layout.channels)).T
    if data.dtype == np.uint8:
        data = data.astype(np.float32) / 128 - 1
    elif data.dtype.kind == "i":
        data = data.astype(np.float32) / np.float32(2.0 ** (8 * data.dtype.itemsize - 1))
    return np.ascontiguousarray(data.T, dtype=np.float32)


class FfmpegReader:
    """The first audio stream of a container.

    Positions are counted from the start of the stream, or taken from time stamps where these are exact to the sample.

    :param format: FFmpeg's name of the format.
    :raises NotDecodable: there is no audio stream, or its first frame can't be decoded.
    """

    def __init__(self, file: BinaryIO | io.RawIOBase, format: str) -> None:
        self._av = _libav()
        try:
            self._container = self._av.open(file, format=format)
        except (self._av.FFmpegError, ValueError, OSError) as error:
            raise NotDecodable(_words(error)) from None
        if not self._container.streams.audio:
            self.close()
            raise NotDecodable("no audio stream in it")
        self._stream = self._container.streams.audio[0]
        self.rate = int(self._stream.codec_context.sample_rate or 0)
        if not self.rate:
            self.close()
            raise NotDecodable("an audio stream without a sample rate")
        exact = self._stream.time_base is not None and self._stream.time_base * self.rate == 1
        self._exact = exact and format == "mp4"
        self._skips_first_frame = format == "aac"
        """A bare AAC stream does not state its delay; every AAC decoder is late by one frame."""
        self.samples: int | None = int(self._stream.duration) if self._exact and self._stream.duration else None
        """As the container says; None if it does not say it exactly."""

        tracks = len(self._container.streams.audio)
        self.note = f"it has {tracks} audio tracks: only the first one is read" if tracks > 1 else None
        duration = self._container.duration if format in _STATE_DURATION else None
        self._at_least = 0 if not duration else int((duration / 1e6 - _DURATION_SLACK_S) * self.rate)
        self._last_s = 0.0
        """Where the last packet of any stream ends: a picture may outlast the sound."""

    def close(self) -> None:
        """Close the container, not the file."""
        self._container.close()

    def blocks(self, offset: int = 0, limit: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Samples ``[N, C]`` from ``offset`` to the end, or until there are at least ``limit``.

        :raises NotDecodable: a frame can't be decoded.
        """
        at: int | None = 0
        skip = self._skips_first_frame
        if self._exact and offset > 2 * _SEEK_BACK_S * self.rate:
            self._container.seek(round(offset - _SEEK_BACK_S * self.rate), stream=self._stream)
            at = None
        waiting: list[NDArray[np.float32]] = []
        for frame in self._decoded():
            if frame.sample_rate != self.rate:
                raise NotDecodable(f"its rate changes from {self.rate} to {frame.sample_rate} Hz")
            block = _floats(frame)
            if skip:
                skip = False
                continue
            at = int(frame.pts) if at is None else at
            end = at + len(block)
            if self.samples is not None and end > self.samples:
                block = block[: max(0, self.samples - at)]  # the encoder's padding
            if end > offset and len(block):
                waiting.append(block[max(0, offset - at) :])
            at = end
            done = limit is not None and at >= offset + limit
            if done or len(waiting) >= _FRAMES_AT_A_TIME:
                if waiting:
                    yield np.concatenate(waiting)
                waiting = []
            if done:
                return
        if waiting:
            yield np.concatenate(waiting)
        if at is not None and max(at, self._last_s * self.rate) < self._at_least:
            raise NotDecodable(f"truncated: {at:,} of at least {self._at_least:,} samples")

    def _decoded(self) -> Iterator[Any]:
        try:
            for packet in self._container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    self._last_s = max(self._last_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if packet.stream is self._stream:
                    yield from packet.decode()
        except (self._av.FFmpegError, ValueError, OSError) as error:
            raise NotDecodable(_words(error)) from None


class MpegReader:
    """The frames of an MPEG audio stream, each decoded separately: seeking costs the same at any position."""

    note: str | None = None

    def __init__(self, file: BinaryIO, frames: MpegFrames) -> None:
        self._file = file
        self._frames = frames
        self.rate = frames.rate
        self.samples: int | None = frames.samples
        """As counted, without the delay of encoder and decoder."""

    def close(self) -> None:
        """Nothing to close."""

    def blocks(self, offset: int = 0, limit: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Samples ``[N, C]`` from ``offset`` to the end, or until there are at least ``limit``.

        :raises NotDecodable: a frame can't be decoded.
        """
        frames = self._frames
        start, end = offset + frames.skip, frames.samples + frames.skip
        if limit is not None:
            end = min(end, start + limit)
        first = max(0, start // frames.frame_samples - _WARM_UP_FRAMES)
        at = first * frames.frame_samples
        waiting: list[NDArray[np.float32]] = []
        for number, block in enumerate(self._decoded(first), start=1):
            if at + len(block) > start:
                waiting.append(block[max(0, start - at) : end - at])
            at += len(block)
            if number % _FRAMES_AT_A_TIME == 0 and waiting:
                yield np.concatenate(waiting)
                waiting = []
            if at >= end:
                break
        if waiting:
            yield np.concatenate(waiting)

    def _decoded(self, first: int) -> Iterator[NDArray[np.float32]]:
        av = _libav()
        frames = self._frames
        decoder = av.CodecContext.create(frames.codec, "r")
        channels = 0
        for number in range(first, len(frames.starts)):
            self._file.seek(frames.starts[number])
            try:
                decoded = decoder.decode(av.Packet(self._file.read(frames.sizes[number])))
            except (av.FFmpegError, ValueError) as error:
                if number < first + _WARM_UP_FRAMES and number:
                    decoded = []  # it needs frames from before the first one
                else:
                    raise NotDecodable(f"MPEG frame {number:,}: {_words(error)}") from None
            blocks = [_floats(frame) for frame in decoded]
            block = np.concatenate(blocks) if blocks else np.zeros((frames.frame_samples, max(channels, 1)), np.float32)
            # A stream may change between mono and stereo.
            channels = channels or block.shape[1]
            yield (
                block if block.shape[1] == channels else np.repeat(block.mean(axis=1, keepdims=True), channels, axis=1)
            )


def _words(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).strip() or type(error).__name__
