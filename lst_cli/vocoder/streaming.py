"""Streaming synthesis: speaking units while more of them arrive.

A vocoder makes a piece of audio when it knows the units around it that the piece depends on. A HiFi-GAN's pieces then
follow one another exactly. Griffin and Lim's phases depend on the whole clip, so pieces of the mel form are cut before
the softest unit of a piece's second half, and blended over the length of that unit.

Legend: U units, T samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

PEAK = 0.97
"""Louder samples are scaled down to this."""


class Renderer(Protocol):
    """The side of a vocoder that makes pieces."""

    reach: int
    """Units to both sides that a unit's samples (or mel frames) depend on."""
    unit_samples: int
    """Samples of a unit."""

    def render(self, units_U: NDArray[np.int64], first: int, last: int) -> Samples:
        """Samples [T] of the units from ``first`` to before ``last``, made of as many around them as count."""
        ...


class VocoderStream:
    """The audio of one clip, piece by piece. A piece that is too loud makes itself and all that follow it softer."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        piece: int,
        blend: int = 0,
        cut: Callable[[NDArray[np.int64], int, int], int] | None = None,
    ) -> None:
        """Begin a clip.

        :param piece: units of a piece, at most.
        :param blend: units of cross-fade between consecutive chunks.
        :param cut: the best unit to end a piece before, from a first to before a last; None ends it at ``piece``.
        """
        self._renderer = renderer
        self._piece = piece
        self._blend = blend
        self._cut = cut
        self._units_U: NDArray[np.int64] = np.zeros(0, np.int64)
        self._start = 0
        self._fading_T: Samples = np.zeros(0, np.float32)
        self._gain = 1.0

    def add(self, units_U: NDArray[np.integer]) -> Samples:
        """Take further units.

        :return: the samples that are now settled; often none.
        """
        self._units_U = np.concatenate([self._units_U, units_U.astype(np.int64)])
        found: list[Samples] = [np.zeros(0, np.float32)]
        while len(self._units_U) - self._start >= self._piece + self._blend + self._renderer.reach:
            latest = self._start + self._piece
            end = self._cut(self._units_U, self._start + self._piece // 2, latest) if self._cut else latest
            found.append(self._made(end, end + self._blend))
            self._start = end
        return np.concatenate(found)

    def end(self) -> Samples:
        """The rest of the clip; no units may follow."""
        rest = self._made(len(self._units_U), len(self._units_U))
        self._start = len(self._units_U)
        return rest

    def _made(self, end: int, beyond: int) -> Samples:
        """Samples up to a unit; those beyond are kept to be blended with the next piece."""
        if beyond == self._start:
            return np.zeros(0, np.float32)
        wave_T = self._renderer.render(self._units_U, self._start, beyond)
        fading = min(len(self._fading_T), len(wave_T))
        weight_T = (np.arange(fading, dtype=np.float32) + 0.5) / max(1, fading)
        wave_T[:fading] = (1 - weight_T) * self._fading_T[:fading] + weight_T * wave_T[:fading]
        settled = (end - self._start) * self._renderer.unit_samples
        self._fading_T = wave_T[settled:].copy()
        self._gain = min(self._gain, PEAK / max(PEAK, float(np.abs(wave_T[:settled]).max(initial=0.0))))
        settled_T: Samples = wave_T[:settled] * np.float32(self._gain)
        return settled_T
