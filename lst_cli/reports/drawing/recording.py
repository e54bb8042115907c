"""A recording with its words and patches, on the grid of the speech tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.reports.drawing.embedded_audio import envelope
from lst_cli.units.frames import FRAME_SAMPLES, RATE_HZ

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.alignment.read_alignment import Aligned
    from lst_cli.reports.drawing.patches import Span

TOKEN_PX = 6.4
"""Smallest width of one token, 40 ms: a second is 160 px."""

_WIDEST_TOKEN_PX = 4 * TOKEN_PX
_FULL_PX = 1080
"""Short recordings are stretched to this width, that of the page on a desktop, up to the widest token."""

_LABEL_ROW_PX = 15
_LABEL_ROWS = 3
_CHARACTER_PX = 6.6
"""Mean width of a character of a word's label, with room to spare."""

_WAVE_PX = 84
_LANE_PX = 20
_LANE_CAPTION_PX = 17
_AXIS_PX = 22

_FRAME_S = 1 / RATE_HZ


@dataclass(frozen=True, kw_only=True)
class Label:
    """A word above the waveform."""

    text: str
    x: float
    """Middle, in pixels."""
    row: int
    """0 is next to the waveform."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A word's span or a patch."""

    x: float
    width: float
    tip: str
    """Shown when the pointer rests on it."""
    start_s: float
    silent: bool = False
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """The patches of one patching mode."""

    caption: str
    y: float
    boxes: list[Box]


@dataclass(frozen=True, kw_only=True)
class WaveformDrawing:
    """Everything that the template draws, in pixels."""

    alt: str
    width: float
    height: float
    seconds: float
    pixels_per_second: float
    top: float
    """Where the waveform begins, below the labels."""
    wave_height: float
    path: str
    labels: list[Label]
    words: list[Box]
    lanes: list[Lane]
    ticks: list[tuple[float, str]]


def draw_waveform(
    utterance: Aligned, samples_T: NDArray[np.float32], patches: Mapping[str, Sequence[Span]]
) -> WaveformDrawing:
    """The drawing of one utterance.

    :param patches: by the name of their strategy or rule.
    :param samples_T: at 16 kHz.
    """
    seconds = len(samples_T) / (FRAME_SAMPLES * RATE_HZ)
    tokens = max(utterance.tokens, seconds * RATE_HZ)
    token_px = round(min(max(TOKEN_PX, _FULL_PX / max(tokens, 1)), _WIDEST_TOKEN_PX), 2)
    width = tokens * token_px
    labels = place_labels(utterance, token_px)
    top = _LABEL_ROW_PX * (1 + max((label.row for label in labels), default=0)) + 4
    lanes = []
    y = top + _WAVE_PX + _LANE_CAPTION_PX
    for name, cut in patches.items():
        mean = utterance.tokens / len(cut)
        caption = f"{name}: {len(cut)} patches, mean {mean:.1f} tokens"
        lanes.append(Lane(caption=caption, y=y, boxes=list(_boxes(utterance, cut, name, token_px))))
        y += _LANE_PX + _LANE_CAPTION_PX
    captions = "; ".join(lane.caption for lane in lanes)
    return WaveformDrawing(
        alt=f"Waveform of {seconds:.1f} seconds: {' '.join(utterance.words)}. {captions}.",
        width=round(width, 1),
        height=y - _LANE_CAPTION_PX + _AXIS_PX,
        seconds=seconds,
        pixels_per_second=RATE_HZ * token_px,
        top=top,
        wave_height=_WAVE_PX,
        path=_path(samples_T, seconds * RATE_HZ * token_px, top),
        labels=labels,
        words=[_word_box(utterance, word, token_px) for word in range(len(utterance.words))],
        lanes=lanes,
        ticks=_ticks(seconds, width, token_px),
    )


def _ticks(seconds: float, width: float, token_px: float) -> list[tuple[float, str]]:
    """Every half second, where there is room for its label."""
    ticks = [(round(half * RATE_HZ * token_px / 2, 1), f"{half / 2:g} s") for half in range(int(seconds * 2) + 1)]
    return [(x, text) for x, text in ticks if x + 2 + len(text) * _CHARACTER_PX <= width]


def place_labels(utterance: Aligned, token_px: float) -> list[Label]:
    """Words over their spans, each in the lowest row where it does not overlap the word before."""
    ends = [float("-inf")] * _LABEL_ROWS
    labels = []
    for text, start, end in zip(utterance.words, utterance.starts_W, utterance.ends_W, strict=True):
        half = len(text) * _CHARACTER_PX / 2
        x = max((start + end) / 2 * token_px, half + 1)
        row = next((row for row in range(_LABEL_ROWS) if x - half > ends[row] + 4), None)
        if row is None:
            row = min(range(_LABEL_ROWS), key=lambda each: ends[each])
            x = ends[row] + 4 + half
        ends[row] = x + half
        labels.append(Label(text=text, x=round(x, 1), row=row))
    return labels


def _word_box(utterance: Aligned, word: int, token_px: float) -> Box:
    start, end = utterance.starts_W[word], utterance.ends_W[word]
    times = f"{start * _FRAME_S:.2f} to {end * _FRAME_S:.2f} s"
    return Box(
        x=round(start * token_px, 1),
        width=round((end - start) * token_px, 1),
        tip=f"{utterance.words[word]}: {times}, {end - start} tokens, score {utterance.scores_W[word]:.2f}",
        start_s=start * _FRAME_S,
    )


def _boxes(utterance: Aligned, spans: Sequence[Span], name: str, token_px: float) -> Iterator[Box]:
    for span in spans:
        size = span.end - span.start
        what = f"{name} patch of {size}"
        silent = name == "aligned" and span.word < 0
        if name == "aligned":
            what += ": silence" if silent else f": {utterance.words[span.word]}"
        yield Box(
            x=round(span.start * token_px, 1),
            width=round(size * token_px, 1),
            tip=what,
            start_s=span.start * _FRAME_S,
            silent=silent,
            text=str(size) if size > 1 else "",
        )


def _path(samples_T: NDArray[np.float32], width: float, top: float) -> str:
    """Outline of the envelope, one column for each two pixels."""
    columns = max(2, int(width / 2))
    low, high = envelope(samples_T, columns)
    middle, half = top + _WAVE_PX / 2, _WAVE_PX / 2 - 3
    step = width / columns
    upper = [f"{n * step:.1f},{middle - half * value:.1f}" for n, value in enumerate(high.tolist())]
    lower = [f"{n * step:.1f},{middle - half * value + 0.6:.1f}" for n, value in enumerate(low.tolist())]
    return f"M{' L'.join([*upper, *reversed(lower)])}Z"
