"""Transcripts as Praat TextGrids, in the long text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

Interval = tuple[float, float, str]
"""Start and end in seconds, and the label."""


def textgrid(tiers: Mapping[str, Sequence[Interval]], end_s: float) -> str:
    """A TextGrid from 0 to ``end_s``; Praat wants no holes, so what no interval covers has an empty label.

    :param tiers: intervals by the tier's name, in order, not overlapping.
    """
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end_s:.3f}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        whole = list(_without_holes(intervals, end_s))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{_quoted(name)}"',
            "        xmin = 0",
            f"        xmax = {end_s:.3f}",
            f"        intervals: size = {len(whole)}",
        ]
        for index, (start, end, label) in enumerate(whole, start=1):
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {start:.3f}",
                f"            xmax = {end:.3f}",
                f'            text = "{_quoted(label)}"',
            ]
    return "\n".join(lines) + "\n"


def _without_holes(intervals: Iterable[Interval], end_s: float) -> Iterator[Interval]:
    at = 0.0
    for start, end, label in intervals:
        if round(start - at, 3) > 0:
            yield at, start, ""
        yield start, end, label
        at = end
    if round(end_s - at, 3) > 0:
        yield at, end_s, ""


def _quoted(text: str) -> str:
    return text.replace('"', '""')
