"""Praat TextGrids: the long and the short text format are read, the long one is written.

Both formats are the same sequence of numbers and quoted strings; the long one writes names before them. So the names
are dropped and the values read one after the other.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lst_cli.alignment.imports.timed import TimedUtterance, TimedWord, damaged, read_text
from lst_cli.errors import UserError
from lst_cli.text.markers import is_silence

TierInterval = tuple[float, float, str]
"""Start and end in seconds, and the label."""

WORD_TIERS = ("words", "word", "ort-mau")
"""Names under which aligners write words, in lower case: Montreal Forced Aligner, others, WebMAUS."""

# A quoted string ("" inside stands for one quotation mark), a flag such as <exists>, or a number that is not an index.
_VALUE = re.compile(r'"((?:[^"]|"")*)"|<(\w+)>|(?<![\w\[.])([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w\]])')

_HEADER = re.compile(r'File\s+type\s*=\s*"ooTextFile[^"]*"\s*(?:Object\s+class\s*=\s*)?"TextGrid"')


@dataclass(frozen=True)
class Tier:
    """One tier of a TextGrid."""

    name: str
    intervals: list[TierInterval] | None
    """With the empty ones; None for a tier of points."""


class _Values:
    """The values of a TextGrid, one after the other."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._matches: Iterator[re.Match[str]] = _VALUE.finditer(text)

    def _next(self, kind: str) -> re.Match[str]:
        match = next(self._matches, None)
        if match is None:
            raise UserError(f"{self._path}: the TextGrid ends too early", expected=kind, fix="export it again")
        return match

    def text(self) -> str:
        match = self._next("a quoted string")
        if match[1] is None:
            raise damaged(self._path, f"character {match.start()}", match[0], "a quoted string")
        return match[1].replace('""', '"')

    def number(self) -> float:
        match = self._next("a number")
        if match[3] is None or not math.isfinite(float(match[3])):
            raise damaged(self._path, f"character {match.start()}", match[0][:40], "a finite number")
        return float(match[3])

    def count(self) -> int:
        number = self.number()
        if number < 0 or number != int(number):
            raise damaged(self._path, "a size", f"{number:g}", "a whole number, 0 or more")
        return int(number)

    def end(self) -> None:
        """Nothing may follow: a size that is too small would drop the last intervals."""
        match = next(self._matches, None)
        if match is not None:
            raise damaged(self._path, f"character {match.start()}", match[0][:40], "the end, by the sizes it states")

    def flag(self) -> str:
        match = self._next("a flag")
        if match[2] is None:
            raise damaged(self._path, f"character {match.start()}", match[0][:40], "<exists>")
        return match[2]


def read_textgrid(path: Path, tier: str | None = None) -> Iterator[TimedUtterance]:
    """The words of every tier of words: ``words``, ``SPEAKER - words``, ``ORT-MAU``, or the given tier.

    :raises UserError: it is not a TextGrid, lacks such a tier, or the tier holds sentences.
    """
    tiers = parse_textgrid(path, read_text(path))
    wanted = WORD_TIERS if tier is None else (_plain(tier),)
    chosen = [each for each in tiers if _plain(each.name) in wanted or _plain(each.name).split(" - ")[-1] in wanted]
    if not chosen:
        raise _no_words(path, tiers, "no tier of words" if tier is None else f"no tier {tier!r}")
    words: list[TimedWord] = []
    for each in chosen:
        if each.intervals is None:
            raise _no_words(path, tiers, f"the tier {each.name!r} holds points, which have no length")
        found = [
            TimedWord(" ".join(label.split()), *times) for *times, label in each.intervals if not is_silence(label)
        ]
        if sum(" " in word.text for word in found) * 2 > len(found):
            raise _no_words(path, tiers, f"the tier {each.name!r} holds sentences, not words")
        words += found
    yield TimedUtterance(None, sorted(words, key=lambda word: word.start_s))


def parse_textgrid(path: Path, text: str) -> list[Tier]:
    """The tiers of a TextGrid.

    :param path: for messages.
    :raises UserError: it is not a TextGrid, or not a whole one.
    """
    body = text.lstrip()
    header = _HEADER.match(body)
    if header is None:
        raise UserError(
            f"{path}: not a TextGrid", found=repr(body[:40]) if body else "an empty file", expected='"ooTextFile" text'
        )
    values = _Values(path, body[header.end() :])
    values.number(), values.number()
    if values.flag() != "exists":
        raise UserError(f"{path}: a TextGrid without tiers")
    tiers = [_tier(values) for _ in range(values.count())]
    values.end()
    return tiers


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


def _no_words(path: Path, tiers: Sequence[Tier], what: str) -> UserError:
    return UserError(
        f"{path}: {what}",
        found=f"tiers {', '.join(repr(each.name) for each in tiers)}" if tiers else "no tiers",
        expected="a tier with one word in each interval, named 'words'",
        fix="name the tier of words with --tier",
    )


def _tier(values: _Values) -> Tier:
    kind, name = values.text(), values.text()
    values.number(), values.number()
    size = values.count()
    if kind == "IntervalTier":
        return Tier(name, [(values.number(), values.number(), values.text()) for _ in range(size)])
    for _ in range(size):  # points have one time
        values.number(), values.text()
    return Tier(name, None)


def write_textgrid(tiers: Mapping[str, Sequence[TierInterval]], end_s: float) -> str:
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


def _without_holes(intervals: Iterable[TierInterval], end_s: float) -> Iterator[TierInterval]:
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
