"""Pieces of a corpus that are computed at once, and reading their audio.

A piece is a whole utterance, or a window of a long one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.audio.decode import read_samples, read_utterance, resample
from lst_cli.errors import UserError
from lst_cli.units.frames import SAMPLE_RATE
from lst_cli.units.input.windows import AudioWindow, cut_windows
from lst_cli.units.waveform import check_waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.audio.corpus_artifact import Corpus, Utterance
    from lst_cli.units.features.registry import FeatureExtractor
    from lst_cli.units.waveform import Waveform

_MARGIN_S = 0.25
"""Audio read on each side of a window, so that the resampler's filter has the same input as in the whole file."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An utterance, or a window of one."""

    row: int
    """The utterance's row in the corpus."""
    window: AudioWindow
    whole: bool
    """The window is the whole utterance."""

    @property
    def samples(self) -> int:
        """Samples read, at 16 kHz."""
        return self.window.stop - self.window.start


def input_samples(corpus: Corpus) -> NDArray[np.int64]:
    """The length of every utterance at 16 kHz: :func:`lst_cli.audio.decode.resampled_length` of all at once."""
    samples_U: NDArray[np.int64] = corpus.table.column("samples").to_numpy()
    rates_U = corpus.table.column("sample_rate").to_numpy().astype(np.int64)
    input_U: NDArray[np.int64] = np.maximum(1, (2 * samples_U * SAMPLE_RATE + rates_U) // (2 * rates_U))
    return input_U


def cut_pieces(row: int, samples: int, extractor: FeatureExtractor) -> Iterator[Piece]:
    """The pieces of an utterance of ``samples`` samples at 16 kHz."""
    windows = cut_windows(samples, extractor.window_samples, extractor.context_samples)
    for window in windows:
        yield Piece(row, window, whole=len(windows) == 1)


def read_piece(utterance: Utterance, piece: Piece) -> Waveform | UserError:
    """The audio of a piece at 16 kHz, or why it can't be had."""
    try:
        wave = read_utterance(utterance) if piece.whole else read_window(utterance, piece.window)
        return check_waveform(wave, str(utterance.path))
    except UserError as error:
        return error


def read_window(utterance: Utterance, window: AudioWindow) -> Waveform:
    """The same samples as ``read_utterance(utterance)[window.start : window.stop]``, reading only what is needed.

    They are equal up to the rounding of the resampler (1e-6 of full scale).

    :raises UserError: the file was removed or changed since the corpus was made.
    """
    rate = utterance.sample_rate
    # Starting at a common multiple of both rates keeps the two grids of samples aligned.
    step = rate // math.gcd(rate, SAMPLE_RATE)
    margin = math.ceil(_MARGIN_S * rate)
    start = max(0, window.start * rate // SAMPLE_RATE - margin) // step * step
    stop = min(utterance.samples, -(-window.stop * rate // SAMPLE_RATE) + margin)
    samples_N, found = read_samples(utterance.path, utterance.offset + start, stop - start, **utterance.mending)
    if found != rate:
        raise UserError(
            f"{utterance.path}: the audio file was changed after the corpus was made",
            found=f"{found} Hz",
            expected=f"{rate} Hz",
            fix="run 'lst corpus add' again",
        )
    first = window.start - start * SAMPLE_RATE // rate
    wave = resample(samples_N, rate)[first : first + window.stop - window.start]
    # The rule for lengths rounds, so the last window of a file may lack one sample.
    return np.pad(wave, (0, window.stop - window.start - len(wave)))
