"""From texts to a growing stream of audio: a model and a vocoder that fit together.

Legend: T samples at the vocoder's rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.inference.speech_generation import GeneratedSpeech, speak_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.inference.sampling import Sampling
    from lst_cli.model_artifact.card import LoadedModel
    from lst_cli.vocoder.speaking import Vocoder
    from lst_cli.vocoder.streaming import VocoderStream


@dataclass(frozen=True, kw_only=True)
class Voiced:
    """A text that was spoken."""

    text: str
    said: GeneratedSpeech
    wave_T: NDArray[np.float32]


def voice(
    loaded: LoadedModel,
    vocoder: Vocoder,
    texts: Sequence[str],
    sampling: Sampling | None,
    *,
    rows: int,
    speaker: str | None = None,
) -> Iterator[Voiced]:
    """Speak texts in order, in batches of ``rows``; yields each text when its batch is done."""
    for start in range(0, len(texts), rows):
        group = texts[start : start + rows]
        spoken = speak_texts(loaded, group, sampling, rows=rows, first_key=start)
        for text, said in zip(group, spoken, strict=True):
            yield Voiced(text=text, said=said, wave_T=vocoder.speak(said.units, speaker))


def voice_live(
    loaded: LoadedModel,
    vocoder: Vocoder,
    texts: Sequence[str],
    sampling: Sampling | None,
    write: Callable[[NDArray[np.float32]], None],
    *,
    speaker: str | None = None,
) -> Iterator[Voiced]:
    """Speak texts one at a time, and stream the audio of each in chunks while it is generated.

    :param write: is given each piece.
    """
    for number, text in enumerate(texts):
        pieces = _Pieces(vocoder.stream(speaker), write)
        [said] = speak_texts(loaded, [text], sampling, rows=1, first_key=number, on_units=pieces.add)
        yield Voiced(text=text, said=said, wave_T=pieces.whole())


class _Pieces:
    """The audio of a text, streamed as it is generated."""

    def __init__(self, stream: VocoderStream, write: Callable[[NDArray[np.float32]], None]) -> None:
        self._stream = stream
        self._write = write
        self._pieces: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]

    def add(self, _: int, units_U: NDArray[np.uint16]) -> None:
        """Take the next units."""
        self._take(self._stream.add(units_U))

    def whole(self) -> NDArray[np.float32]:
        """Pass on the rest; all samples [T]."""
        self._take(self._stream.end())
        return np.concatenate(self._pieces)

    def _take(self, piece_T: NDArray[np.float32]) -> None:
        if len(piece_T):
            self._pieces.append(piece_T)
            self._write(piece_T)
