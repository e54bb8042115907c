"""NIST CTM files: a word a line, ``UTTERANCE CHANNEL START DURATION WORD [CONFIDENCE]``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lst_cli.alignment.imports.timed import TimedUtterance, TimedWord, confidence, damaged, on_one_line, read_lines
from lst_cli.text.markers import is_silence

_FIELDS = re.compile(r"[ \t]+")


def read_ctm(path: Path, tier: str | None = None) -> Iterator[TimedUtterance]:
    """The utterances of a file; lines that begin with ``;;`` are comments.

    A line with too few fields, without numbers where they should be, or of another channel than the lines before is a
    problem of its utterance.

    :raises UserError: the file can't be read.
    """
    del tier  # CTM has none
    words: dict[str, list[TimedWord]] = {}
    problems: dict[str, str] = {}
    channels: dict[str, str] = {}
    for number, (line, not_text) in enumerate(read_lines(path), start=1):
        fields = _FIELDS.split(line.strip(" \t\r"))
        if not fields[0] or fields[0].startswith(";;"):
            continue
        own = words.setdefault(fields[0], [])
        if not_text is not None:
            problems.setdefault(fields[0], f"{path}, line {number}: {not_text}")
            continue
        try:
            start_s, duration_s, label = float(fields[2]), float(fields[3]), fields[4]
        except (ValueError, IndexError):
            error = damaged(
                path, f"line {number}", line[:80], "UTTERANCE CHANNEL START DURATION WORD [CONFIDENCE], in seconds"
            )
            problems.setdefault(fields[0], on_one_line(error))
            continue
        channel = channels.setdefault(fields[0], fields[1])
        if channel != fields[1]:
            both = f"words of the channels {channel} and {fields[1]}"
            problems.setdefault(fields[0], f"{path}, line {number}: {both}; give each channel an utterance of its own")
        if not is_silence(label):
            own.append(TimedWord(label, start_s, start_s + duration_s, confidence(fields[5] if fields[5:] else None)))
    for id, found in words.items():
        yield TimedUtterance(id, sorted(found, key=lambda word: word.start_s), problems.get(id))
