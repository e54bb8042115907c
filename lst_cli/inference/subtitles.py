"""Transcripts as subtitles: SubRip (SRT) and WebVTT."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lst_cli.alignment.imports.timed import TimedWord

Cue = tuple[float, float, str]
"""Start and end in seconds, and the text."""

CUE_S = 7.0
CUE_CHARACTERS = 84
"""A cue of words is at most so long: two lines of 42 characters, as broadcasters have it."""
PAUSE_S = 0.6
"""A pause of this length ends a cue."""


def cues_of_words(words: Sequence[TimedWord]) -> Iterator[Cue]:
    """Group timed words to cues that can be read."""
    cue: list[TimedWord] = []
    for word in words:
        if cue and (
            word.start_s - cue[-1].end_s >= PAUSE_S
            or word.end_s - cue[0].start_s > CUE_S
            or sum(len(each.text) + 1 for each in cue) + len(word.text) > CUE_CHARACTERS
        ):
            yield _cue(cue)
            cue = []
        cue.append(word)
    if cue:
        yield _cue(cue)


def _cue(words: Sequence[TimedWord]) -> Cue:
    return words[0].start_s, words[-1].end_s, " ".join(word.text for word in words)


def srt(cues: Iterable[Cue]) -> str:
    """A SubRip file."""
    blocks = [
        f"{number}\n{_time(start, ',')} --> {_time(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(_spoken(cues), start=1)
    ]
    return "\n".join(blocks)


def vtt(cues: Iterable[Cue]) -> str:
    """A WebVTT file."""
    blocks = [f"{_time(start, '.')} --> {_time(end, '.')}\n{_escaped(text)}\n" for start, end, text in _spoken(cues)]
    return "\n".join(["WEBVTT\n", *blocks])


def _spoken(cues: Iterable[Cue]) -> list[Cue]:
    return [(start, end, " ".join(text.split())) for start, end, text in cues if text.strip()]


def _time(seconds: float, separator: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}{separator}{milliseconds % 1000:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
