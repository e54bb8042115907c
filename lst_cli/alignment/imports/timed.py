"""Words with times, as alignment files of other tools hold them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lst_cli.errors import UserError
from lst_cli.json_text import UTF_16_MARKS, NotText, decode


@dataclass(frozen=True)
class TimedWord:
    """A word and its times, in seconds from the beginning of its utterance."""

    text: str
    start_s: float
    end_s: float
    score: float = 1.0
    """Confidence from 0 to 1; 1 where the file has none, 0 where the times were interpolated."""


@dataclass(frozen=True)
class TimedUtterance:
    """One utterance of an alignment file: its words, or the reason why it has none."""

    id: str | None
    """None if the file's own name is the id."""
    words: list[TimedWord] = field(default_factory=list)
    """In order of time, without silences."""
    problem: str | None = None
    """Why the utterance can't be used, with file and place."""


class TimedReader(Protocol):
    """Reads one file."""

    def __call__(self, path: Path, tier: str | None) -> Iterator[TimedUtterance]:
        """The utterances of a file; a damaged one carries its problem and does not stop the others.

        :param tier: name of the tier of words, in formats that have tiers; None for the usual names.
        :raises UserError: nothing of the file can be used.
        """


def confidence(value: object) -> float:
    """A score limited to [0, 1]; 1 where there is none, or where it is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return 1.0
    try:
        score = float(value)
    except (ValueError, OverflowError):
        return 1.0
    return min(max(score, 0.0), 1.0) if math.isfinite(score) else 1.0


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte-order mark (as Praat writes it).

    :raises UserError: it can't be read, or is in another encoding.
    """
    try:
        return decode(_read(path))
    except NotText as error:
        raise UserError(f"{path}: not a text file", found=error.found, fix=error.fix) from None


def read_lines(path: Path) -> Iterator[tuple[str, str | None]]:
    """(line, why it is not text or None) of each line; what is not text has replacements.

    :raises UserError: the file can't be read.
    """
    data = _read(path)
    if data.startswith(UTF_16_MARKS):
        yield from ((line, None) for line in read_text(path).split("\n"))
        return
    for line in data.split(b"\n"):
        try:
            yield decode(line), None
        except NotText as error:
            yield line.decode("utf-8", "replace"), str(error)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: can't be read", found=error.strerror) from None


def damaged(path: Path, where: str, found: str, expected: str) -> UserError:
    """An error about a place in a file."""
    return UserError(f"{path}, {where}: not valid in this format", found=found, expected=expected)


def on_one_line(error: UserError) -> str:
    """An error as the reason of a reject."""
    parts = [error.what]
    parts += [f"found {error.found}"] if error.found else []
    parts += [f"expected {error.expected}"] if error.expected else []
    parts += [error.fix] if error.fix else []
    return "; ".join(" ".join(part.split()) for part in parts)
