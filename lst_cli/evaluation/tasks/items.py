"""Shared by all benchmark files: items, and faults that are collected over a whole file for one error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lst_cli.errors import UserError
from lst_cli.json_text import NotText, decode

SHOWN_FAULTS = 10
"""How many faulty rows an error names; the rest are counted."""


@dataclass(frozen=True)
class Item:
    """One multiple-choice question: which of the endings continues the prompt?"""

    id: str
    """Unique in its file. Spoken, it is ``{id}/prompt``, ``{id}/ending1``, ``{id}/ending2``, …"""
    prompt: str
    """Cleaned text before the endings; empty if a task compares whole utterances."""
    endings: tuple[str, ...]
    """Cleaned text of every ending, without the space that joins it to the prompt."""
    label: int
    """Index into ``endings`` of the right one."""
    utterances: tuple[str, ...] = ()
    """Ids of the spoken prompt (where there is a prompt) and endings, where they are not the default."""
    group: str = ""
    """Items of one group (the voices of a pair) count as one, by their mean; the id by default."""
    category: str = ""
    """Part of the benchmark, for a breakdown of the score."""
    recorded: bool = False
    """There are recordings and no text: the endings are the recordings' names."""

    @property
    def spoken(self) -> tuple[str, ...]:
        """Ids of the utterances: the prompt's, where there is a prompt, and then each ending's."""
        if self.utterances:
            return self.utterances
        prompt = (f"{self.id}/prompt",) if self.prompt else ()
        return prompt + tuple(f"{self.id}/ending{n}" for n in range(1, len(self.endings) + 1))


@dataclass(frozen=True)
class Task:
    """A benchmark: how its published file is read, and which accuracy is its headline in text."""

    name: str
    version: int
    read: Callable[[Path], list[Item]]
    text_metric: str = "accuracy"
    """Headline for written endings (a key of ``evaluation.metrics.ACCURACIES``)."""
    about: str = ""
    """One line for ``lst eval --help`` and the results: the question and the source of the file."""


@dataclass
class Faults:
    """Collects the faults of the rows of a file, so that one error names them all."""

    path: Path
    unit: str = "line"
    """The unit of the numbers."""
    found: list[str] = field(default_factory=list)

    def add(self, number: int, message: str) -> None:
        """Note a fault at a line of the file (from 1)."""
        self.found.append(f"{self.unit} {number}: {message}")

    def raise_any(self, expected: str, fix: str | None = None) -> None:
        """Refuse the file if rows of it are faulty.

        :raises UserError: one for all; it names the first rows with their lines.
        """
        if not self.found:
            return
        shown = self.found[:SHOWN_FAULTS]
        more = len(self.found) - len(shown)
        if more:
            shown.append(f"and {more} more")
        raise UserError(
            f"{self.path}: {len(self.found)} faulty row{'s' if len(self.found) > 1 else ''}",
            found="; ".join(shown),
            expected=expected,
            fix=fix,
        )


def read_utf8(path: Path) -> str:
    """The text of a benchmark file, without its byte-order mark.

    :raises UserError: there is no such file, or it is empty or not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", expected="the benchmark's published file") from None
    except OSError as error:
        raise UserError(
            f"{path}: the file can't be read", found=str(error.strerror), expected="a readable file"
        ) from error
    try:
        text = decode(data)
    except NotText as error:
        raise UserError(
            f"{path}: not a text file", found=error.found, expected="text in UTF-8", fix=error.fix
        ) from None
    if not text.strip():
        raise UserError(f"{path}: the file is empty", expected="at least one item")
    return text if "\n" in text else text.replace("\r", "\n")


def check_items(items: Sequence[Item], path: Path) -> list[Item]:
    """The items unchanged, if there are any, all ids are unique, and no right ending is also a wrong one.

    :raises UserError: none, an id is used twice, or an item can't be answered.
    """
    if not items:
        raise UserError(f"{path}: no items in the file", expected="at least one")
    places: dict[str, list[int]] = {}
    for number, item in enumerate(items, start=1):
        places.setdefault(item.id, []).append(number)
    twice = [f"{name} (items {', '.join(map(str, at))})" for name, at in places.items() if len(at) > 1]
    if twice:
        more = f"; and {len(twice) - SHOWN_FAULTS} more" if len(twice) > SHOWN_FAULTS else ""
        raise UserError(
            f"{path}: {len(twice)} id{'s' if len(twice) > 1 else ''} used more than once",
            found="; ".join(twice[:SHOWN_FAULTS]) + more,
            expected="one id per item",
            fix="remove the repeated rows, or give them unique ids",
        )
    # A pair of words that sound different may be spelled alike; its items are grouped by voice.
    equal = [
        item.id
        for item in items
        if not item.group and [each.strip() for each in item.endings].count(item.endings[item.label].strip()) > 1
    ]
    if equal:
        raise UserError(
            f"{path}: {len(equal)} items whose right ending is also a wrong one",
            found=", ".join(equal[:SHOWN_FAULTS]),
            expected="endings that differ",
            fix="correct or remove these items",
        )
    return list(items)
