"""Praat TextGrids, as the Montreal Forced Aligner writes them: the long and the short text format.

Both are the same sequence of numbers and quoted strings; the long one writes names before them. So the names are
dropped and the values read one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lst_cli.alignment.imports.timed import TimedWord, damaged, is_silence, read_text
from lst_cli.errors import UserError

# A quoted string ("" inside stands for one quotation mark), a flag such as <exists>, or a number that is no index.
_VALUE = re.compile(r'"((?:[^"]|"")*)"|<(\w+)>|(?<![\w\[.])(-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)(?![\w\]])')

_HEADER = re.compile(r'File\s+type\s*=\s*"ooTextFile[^"]*"\s*(?:Object\s+class\s*=\s*)?"TextGrid"')


class _Values:
    """The values of a TextGrid, one after the other."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._matches: Iterator[re.Match[str]] = _VALUE.finditer(text)

    def _next(self, kind: str) -> re.Match[str]:
        match = next(self._matches, None)
        if match is None:
            raise UserError(f"{self._path}: the TextGrid ends too early", expected=kind, fix="make it again")
        return match

    def text(self) -> str:
        match = self._next("a quoted string")
        if match[1] is None:
            raise damaged(self._path, f"character {match.start()}", match[0], "a quoted string")
        return match[1].replace('""', '"')

    def number(self) -> float:
        match = self._next("a number")
        if match[3] is None:
            raise damaged(self._path, f"character {match.start()}", match[0], "a number")
        return float(match[3])

    def flag(self) -> str:
        match = self._next("a flag")
        if match[2] is None:
            raise damaged(self._path, f"character {match.start()}", match[0], "<exists>")
        return match[2]


def read_textgrid(path: Path) -> dict[str | None, list[TimedWord]]:
    """The words of every tier named ``words``, or ``SPEAKER - words``; of the only tier, whatever its name.

    :raises UserError: it is no TextGrid, or has no such tier.
    """
    text = read_text(path)
    header = _HEADER.match(text.lstrip())
    if header is None:
        raise UserError(f"{path}: not a TextGrid", found=text[:40].strip() or "nothing", expected='"ooTextFile" text')
    values = _Values(path, text.lstrip()[header.end() :])
    values.number(), values.number()
    if values.flag() != "exists":
        raise UserError(f"{path}: a TextGrid without tiers")
    tiers = [_tier(values) for _ in range(int(values.number()))]
    chosen = [words for name, words in tiers if name.strip().lower().split(" - ")[-1] in ("words", "word")]
    if not chosen and len(tiers) == 1:
        chosen = [tiers[0][1]]
    if not chosen:
        names = ", ".join(repr(name) for name, _ in tiers)
        raise UserError(f"{path}: no tier of words", found=names or "no tiers", expected="a tier named 'words'")
    return {None: sorted((word for words in chosen for word in words), key=lambda word: word.start_s)}


def _tier(values: _Values) -> tuple[str, list[TimedWord]]:
    kind, name = values.text(), values.text()
    values.number(), values.number()
    words = []
    for _ in range(int(values.number())):
        if kind == "IntervalTier":
            start, end, label = values.number(), values.number(), values.text()
            if not is_silence(label):
                words.append(TimedWord(label.strip(), start, end))
        else:  # a tier of points, which have one time
            values.number(), values.text()
    return name, words
