"""NIST CTM files: a word a line, ``UTTERANCE CHANNEL START DURATION WORD [CONFIDENCE]``."""

from __future__ import annotations

from pathlib import Path

from lst_cli.alignment.imports.timed import TimedWord, damaged, is_silence, read_text


def read_ctm(path: Path) -> dict[str | None, list[TimedWord]]:
    """The words of every utterance; lines that begin with ``;;`` are comments.

    :raises UserError: a line has too few fields, or no numbers where they should be.
    """
    found: dict[str | None, list[TimedWord]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        words = found.setdefault(fields[0], [])
        try:
            start_s, duration_s, label = float(fields[2]), float(fields[3]), fields[4]
            score = float(fields[5]) if fields[5:] and fields[5] != "NA" else 1.0
        except (ValueError, IndexError):
            raise damaged(
                path, f"line {number}", line, "UTTERANCE CHANNEL START DURATION WORD [CONFIDENCE], times in seconds"
            ) from None
        if not is_silence(label):
            words.append(TimedWord(label, start_s, start_s + duration_s, score))
    return {id: sorted(words, key=lambda word: word.start_s) for id, words in found.items()}
