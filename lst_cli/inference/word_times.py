"""Times of the words of a transcript: forced alignment of the text that a model wrote to its audio.

The model itself has no times: its attention is not an alignment, and a static patch is a span of time, not a word. So
an aligner (``lst align fit``, or a pretrained CTC model) lays the words over the frames that the patches are made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lst_cli.alignment.align_batch import align_words, load_emitter
from lst_cli.alignment.imports.timed import TimedWord
from lst_cli.alignment.kinds import ALIGNER
from lst_cli.alignment.number_words import check_language
from lst_cli.alignment.words import Unalignable, spoken_words
from lst_cli.units.frames import RATE_HZ, SAMPLE_RATE, n_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.alignment.emissions.emitters import Emitter
    from lst_cli.artifacts import Store


class WordTimer:
    """Lays words over sound."""

    def __init__(self, emitter: Emitter, language: str = "en") -> None:
        """Use a CTC model; ``language`` is for reading out numbers.

        :raises UserError: num2words does not know the language.
        """
        check_language(language)
        self._emitter = emitter
        self._language = language

    @classmethod
    def load(cls, reference: str, store: Store, language: str = "en") -> WordTimer:
        """An ``aligner`` artifact, or a pretrained CTC model by name or folder.

        :param language: for reading out numbers.
        :raises UserError: there is none of that name.
        """
        if reference.strip("/").split("/")[0] == ALIGNER.name:
            return cls(load_emitter(store.find(reference, ALIGNER), None), language)
        return cls(load_emitter(None, reference), language)

    def times(
        self, waves: Sequence[NDArray[np.float32]], texts: Sequence[str], starts_s: Sequence[float]
    ) -> list[list[TimedWord] | None]:
        """Words of each text, in seconds after the clip's beginning; None if they can't be aligned.

        :param starts_s: where each wave begins in its clip.
        """
        done: list[list[TimedWord] | None] = []
        for batch in _batches([len(wave) / SAMPLE_RATE for wave in waves], self._emitter.batch_s):
            emissions = self._emitter.emit([waves[index] for index in batch])
            for index, logp_UV in zip(batch, emissions, strict=True):
                try:
                    words = spoken_words(texts[index], self._emitter.letters, self._language)
                    frames = n_frames(len(waves[index]))
                    row = align_words(words, waves[index], logp_UV, self._emitter, frames)
                except Unalignable:
                    done.append(None if texts[index].strip() else [])
                    continue
                places = zip(row["words"], row["starts"], row["ends"], row["scores"], strict=True)
                done.append(
                    [
                        TimedWord(text, starts_s[index] + start / RATE_HZ, starts_s[index] + end / RATE_HZ, score)
                        for text, start, end, score in places
                    ]
                )
        return done


def _batches(seconds: Sequence[float], batch_s: float) -> Iterator[list[int]]:
    """Neighbours, as many as ``batch_s`` holds when all are padded to the longest; one at least."""
    batch: list[int] = []
    for index, length in enumerate(seconds):
        longest = max([length, *(seconds[each] for each in batch)])
        if batch and (len(batch) + 1) * longest > batch_s:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
