"""Decodes what libsndfile reads: a whole file, or parts of one that follow each other.

Legend: N samples at the file's own rate, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lst_cli.audio.formats.byte_range import ByteRange
from lst_cli.audio.formats.container import AudioPart, NotDecodable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK_FRAMES = 1 << 18

_FROM_THE_START_S = 30
_BACK_SAMPLES = 1 << 14
"""Of Ogg, segments that begin in the first seconds are decoded from the start, later ones from some samples before:
a decoder needs what went before to give the same samples."""


class SndfileReader:
    """A file, or parts of one that follow each other, which libsndfile decodes.

    :param whole: how to open the whole file: its path, or the open file.
    :raises NotDecodable: a part can't be opened, or has another rate than the first.
    """

    note: str | None = None

    def __init__(self, whole: Path | BinaryIO, file: BinaryIO, parts: Sequence[AudioPart]) -> None:
        import soundfile

        self._parts = parts
        self._open: list[Any] = []
        try:
            for part in parts:
                plain = len(parts) == 1 and part.start == 0 and not part.head and not part.options
                opened = whole if plain else ByteRange(file, part.start, part.end, part.head)
                self._open.append(soundfile.SoundFile(opened, **part.options))
        except (soundfile.LibsndfileError, TypeError, ValueError, OverflowError, OSError) as error:
            self.close()
            raise NotDecodable(_error_words(error)) from None
        self.rate = int(self._open[0].samplerate)
        rates = {int(each.samplerate) for each in self._open}
        if len(rates) > 1:
            self.close()
            raise NotDecodable(f"its parts have different rates: {', '.join(map(str, sorted(rates)))} Hz")
        self.samples: int | None = sum(int(each.frames) for each in self._open)

    def close(self) -> None:
        """Close every part."""
        for each in self._open:
            each.close()

    def blocks(self, offset: int = 0, limit: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Samples ``[N, C]`` from ``offset`` to the end, or until there are at least ``limit``.

        :raises NotDecodable: the bytes can't be decoded.
        """
        import soundfile

        for part, audio in zip(self._parts, self._open, strict=True):
            frames = int(audio.frames)
            if offset >= frames:
                offset -= frames
                continue
            skip = offset - self._start(part, frames, offset)
            try:
                audio.seek(offset - skip)
                while limit is None or limit > 0:
                    wanted = _BLOCK_FRAMES if limit is None else min(_BLOCK_FRAMES, skip + limit)
                    # Not audio.blocks(): it fills up the last block of a shortened file with whatever is in memory.
                    block_NC = audio.read(wanted, dtype="float32", always_2d=True)
                    if not len(block_NC):
                        break
                    skipped = min(skip, len(block_NC))
                    skip -= skipped
                    if skipped < len(block_NC):
                        yield block_NC[skipped:]
                    if limit is not None:
                        limit -= len(block_NC) - skipped
            except (soundfile.LibsndfileError, RuntimeError, ValueError, OSError) as error:
                raise NotDecodable(_error_words(error)) from None
            offset = 0

    def _start(self, part: AudioPart, frames: int, offset: int) -> int:
        """Where to begin to decode so that the samples from ``offset`` on are right."""
        if part.last_page is None:
            return offset
        if offset <= _FROM_THE_START_S * self.rate:
            return 0
        return max(0, min(offset - _BACK_SAMPLES, frames - part.last_page - _BACK_SAMPLES))


def _error_words(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".")
