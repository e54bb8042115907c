"""Cutting long clips into windows with context, so that a three-hour file needs no more memory than a minute.

A clip no longer than a window is one window: the whole clip. A longer one is divided into runs of frames; each is
read with some audio before and after it, and only the frames of the run itself are kept. Windows
depend on the length of the clip alone, so the same clip always gets the same units.
"""

from __future__ import annotations

from dataclasses import dataclass

from lst_cli.units.frames import FRAME_SAMPLES, n_frames


@dataclass(frozen=True, slots=True)
class AudioWindow:
    """A segment of a clip that is computed at once, and which of its frames are kept."""

    start: int
    """First sample read, at 16 kHz, counted from the start of the clip; a multiple of a frame."""
    stop: int
    """One past the last sample read."""
    first: int
    """First frame kept, counted from the start of the window."""
    frames: int
    """How many frames are kept."""


def core_frames(window: int, context: int) -> int:
    """How many frames each window of a cut clip keeps (the last one may keep fewer)."""
    core = window // FRAME_SAMPLES - 2 * (context // FRAME_SAMPLES)
    if core < 1:
        raise ValueError(f"a window of {window} samples has no room between two contexts of {context}")
    return core


def cut_windows(samples: int, window: int, context: int) -> list[AudioWindow]:
    """Windows that together keep each of the ``n_frames(samples)`` frames of a clip exactly once, in order.

    :param samples: length of the clip at 16 kHz.
    :param window: the most samples computed at once; longer clips are divided.
    :param context: samples read before and after the kept frames of a cut clip, where the clip has them.
    """
    total = n_frames(samples)
    if samples <= window:
        return [AudioWindow(0, samples, 0, total)]
    before = context // FRAME_SAMPLES
    core = core_frames(window, context)
    cut = []
    for first in range(0, total, core):
        last = min(first + core, total)
        first_read = max(0, first - before)
        stop = min(samples, (last + before) * FRAME_SAMPLES)
        # The last window includes the rest that is too short for a frame.
        cut.append(
            AudioWindow(
                first_read * FRAME_SAMPLES, samples if last == total else stop, first - first_read, last - first
            )
        )
    return cut
