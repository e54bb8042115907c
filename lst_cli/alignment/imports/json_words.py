"""Words with times in JSON, in the shapes that aligners write.

- ``{"words": [{"word": "and", "start": 0.2, "end": 0.37, "score": 0.9}, …]}``; ``text`` may stand for ``word``, and
  ``confidence`` or ``probability`` for ``score``;
- ``{"segments": [{"words": […]}, …]}``, as WhisperX and whisper-timestamped write it;
- ``{"tiers": {"words": {"entries": [[0.2, 0.37, "and"], …]}}}``, as the Montreal Forced Aligner writes it;
- JSON lines of any of these, each with an ``id``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lst_cli.alignment.imports.timed import TimedWord, damaged, is_silence, read_text

_EXPECTED = "an object with words, segments or tiers (docs/align.md)"


def read_json_words(path: Path) -> dict[str | None, list[TimedWord]]:
    """The words of a ``.json`` file, or of every line of a ``.jsonl`` file.

    :raises UserError: it is no JSON, or of none of the shapes above.
    """
    text = read_text(path)
    if path.suffix.lower() == ".json":
        return {None: _words(path, "the file", text)}
    found: dict[str | None, list[TimedWord]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            where = f"line {number}"
            id = _parse(path, where, line).get("id")
            if not isinstance(id, str) or id in found:
                raise damaged(path, where, f"id {id!r}", "an id of its own, a string")
            found[id] = _words(path, where, line)
    return found


def _parse(path: Path, where: str, text: str) -> Mapping[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise damaged(path, where, str(error), "JSON") from None
    if not isinstance(data, dict):
        raise damaged(path, where, type(data).__name__, _EXPECTED)
    return data


def _words(path: Path, where: str, text: str) -> list[TimedWord]:
    data = _parse(path, where, text)
    try:
        words = [_word(entry) for entry in _entries(data)]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise damaged(path, where, f"{type(error).__name__}: {error}", _EXPECTED) from None
    return sorted((word for word in words if not is_silence(word.text)), key=lambda word: word.start_s)


def _entries(data: Mapping[str, Any]) -> list[Any]:
    if "words" in data:
        return list(data["words"])
    if "segments" in data:
        return [entry for segment in data["segments"] for entry in segment["words"]]
    return [
        entry
        for name, tier in data["tiers"].items()
        if name.lower().split(" - ")[-1] == "words"
        for entry in tier["entries"]
    ]


def _word(entry: Any) -> TimedWord:
    if isinstance(entry, list):
        return TimedWord(str(entry[2]).strip(), float(entry[0]), float(entry[1]))
    text = entry["word"] if "word" in entry else entry["text"]
    score = next((entry[key] for key in ("score", "confidence", "probability") if key in entry), 1.0)
    return TimedWord(str(text).strip(), float(entry["start"]), float(entry["end"]), float(score))
