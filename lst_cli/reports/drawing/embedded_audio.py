"""Recordings inside the page: lossless under a waveform with tokens, compressed elsewhere."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

from lst_cli.audio.sample_rates import SAMPLE_RATE

_PEAK = 0.97
"""Louder samples are scaled down to this: 16-bit FLAC clips at 1."""


def data_uri(samples_T: NDArray[np.float32]) -> str:
    """Samples at 16 kHz as a ``data:`` address of a FLAC file."""
    return _address(samples_T, "audio/flac", format="FLAC", subtype="PCM_16")


def small_uri(samples_T: NDArray[np.float32]) -> str:
    """Samples at 16 kHz as a ``data:`` address of an MP3 file, a third of the size; FLAC where libsndfile has none."""
    import soundfile

    if "MP3" not in soundfile.available_formats():
        return data_uri(samples_T)
    return _address(samples_T, "audio/mpeg", format="MP3", subtype="MPEG_LAYER_III")


def _address(samples_T: NDArray[np.float32], kind: str, **how: str) -> str:
    import soundfile

    peak = float(np.abs(samples_T).max(initial=0.0))
    if peak > _PEAK:
        samples_T = samples_T * np.float32(_PEAK / peak)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples_T, SAMPLE_RATE, **how)
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def envelope(samples_T: NDArray[np.float32], columns: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest sample of each of ``columns`` equal segments, scaled to a peak of 1."""
    edges = np.linspace(0, len(samples_T), columns + 1).astype(np.int64)[:-1]
    edges = np.minimum(edges, max(0, len(samples_T) - 1))
    low, high = np.minimum.reduceat(samples_T, edges), np.maximum.reduceat(samples_T, edges)
    peak = max(float(np.abs(samples_T).max(initial=0.0)), 1e-9)
    return (low / peak).astype(np.float32), (high / peak).astype(np.float32)
