"""Words with times in JSON, in the shapes that aligners write.

- ``{"words": [{"word": "and", "start": 0.2, "end": 0.37, "score": 0.9}, …]}``; ``text`` may stand for ``word``, and
  ``confidence`` or ``probability`` for ``score``;
- ``{"segments": [{"start": 0.1, "end": 2.5, "words": […]}, …]}``, as WhisperX and whisper-timestamped write it;
- ``{"tiers": {"words": {"entries": [[0.2, 0.37, "and"], …]}}}``, as the Montreal Forced Aligner writes it;
- JSON lines of any of these, each with an ``id``.

WhisperX gives no times to words that it could not align, such as numbers. They share the time between their
neighbours, or the segment's edges, in proportion to their letters, with a score of 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lst_cli.alignment.imports.textgrid import WORD_TIERS
from lst_cli.alignment.imports.timed import (
    TimedUtterance,
    TimedWord,
    confidence,
    damaged,
    on_one_line,
    read_lines,
    read_text,
)
from lst_cli.errors import UserError
from lst_cli.json_text import is_text, parse_json
from lst_cli.text.markers import is_silence

_EXPECTED = "an object with words, segments or tiers (docs/align.md)"

_LEAST_S = 0.04
"""A word without times gets at least this much, or the utterance is rejected: one speech token."""


class _Unusable(ValueError):
    """Why an utterance has no usable words."""


@dataclass(frozen=True)
class _Entry:
    text: str
    times: tuple[float, float] | None
    score: float


def read_json_words(path: Path, tier: str | None = None) -> Iterator[TimedUtterance]:
    """The utterance of a ``.json`` file, or of every line of a ``.jsonl`` file.

    A line without usable words is a problem of its utterance, or of the line where it has no id.

    :raises UserError: a ``.json`` file has no usable words.
    """
    if path.suffix.lower() == ".json":
        yield TimedUtterance(None, _words(path, "the file", _parse(path, "the file", read_text(path)), tier))
        return
    for number, (line, not_text) in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        where = f"line {number}"
        id = f"{path.name}:{number}"
        try:
            if not_text is not None:
                raise UserError(f"{path}, {where}: {not_text}")
            data = _parse(path, where, line)
            given = data.get("id")
            if isinstance(given, bool) or not isinstance(given, (str, int)) or given == "":
                raise damaged(path, where, f"id {given!r}", "an id, a string")
            id = str(given)
            yield TimedUtterance(id, _words(path, where, data, tier))
        except UserError as error:
            yield TimedUtterance(id, problem=on_one_line(error))


def _parse(path: Path, where: str, text: str) -> Mapping[str, Any]:
    try:
        data = parse_json(text)
    except ValueError as error:
        raise damaged(path, where, str(error), "JSON") from None
    if not isinstance(data, dict):
        raise damaged(path, where, type(data).__name__, _EXPECTED)
    return data


def _words(path: Path, where: str, data: Mapping[str, Any], tier: str | None) -> list[TimedWord]:
    try:
        words = list(_timed(data, WORD_TIERS if tier is None else (tier.strip().casefold(),)))
    except _Unusable as reason:
        raise UserError(f"{path}, {where}: {reason}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise damaged(path, where, f"{type(error).__name__}: {error}"[:120], _EXPECTED) from None
    return sorted(words, key=lambda word: word.start_s)


def _timed(data: Mapping[str, Any], tiers: Sequence[str]) -> Iterator[TimedWord]:
    if "words" in data:
        yield from _interpolated([_entry(each) for each in data["words"]], None, None)
    elif "segments" in data:
        for number, segment in enumerate(data["segments"], start=1):
            if segment.get("words") is None:
                if is_silence(str(segment.get("text") or "")):
                    continue
                raise _Unusable(f"segment {number} has no words with times: the aligner failed on it")
            entries = [_entry(each) for each in segment["words"]]
            yield from _interpolated(entries, _seconds(segment, "start"), _seconds(segment, "end"))
    elif "tiers" not in data:
        raise _Unusable(f"neither words, segments nor tiers in it, but {', '.join(map(repr, data)) or 'nothing'}")
    else:
        chosen = [tier for name, tier in data["tiers"].items() if name.casefold().split(" - ")[-1].strip() in tiers]
        if not chosen:
            raise _Unusable(f"no tier of words among {', '.join(map(repr, data['tiers']))}; name it with --tier")
        for tier in chosen:
            yield from _interpolated([_entry(each) for each in tier["entries"]], None, None)


def _entry(data: Any) -> _Entry:
    if isinstance(data, list):
        return _Entry(_label(data[2]), (_number(data[0]), _number(data[1])), 1.0)
    start, end = _seconds(data, "start"), _seconds(data, "end")
    if (start is None) != (end is None):
        raise _Unusable(f"a word has {'an end and no start' if start is None else 'a start and no end'}: {data!r:.80}")
    score = next((data[key] for key in ("score", "confidence", "probability") if key in data), None)
    times = None if start is None or end is None else (start, end)
    return _Entry(_label(data["word"] if "word" in data else data["text"]), times, confidence(score))


def _label(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _Unusable(f"a word is {value!r}, not text")
    if not is_text(value):
        raise _Unusable(f"a word is {value!r}: half of a surrogate pair is not text")
    return " ".join(str(value).split())


def _seconds(data: Mapping[str, Any], key: str) -> float | None:
    return None if data.get(key) is None else _number(data[key])


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise _Unusable(f"a time is {value}")
    return float(value)


def _interpolated(entries: Sequence[_Entry], begin: float | None, end: float | None) -> Iterator[TimedWord]:
    """The words of one segment, which lasts from ``begin`` to ``end`` where that is known."""
    words = [entry for entry in entries if not is_silence(entry.text)]
    at = 0
    while at < len(words):
        times = words[at].times
        if times is not None:
            yield TimedWord(words[at].text, *times, words[at].score)
            begin = times[1]
            at += 1
            continue
        stop = next((n for n in range(at, len(words)) if words[n].times is not None), len(words))
        after = words[stop].times if stop < len(words) else None
        yield from _spread([entry.text for entry in words[at:stop]], begin, after[0] if after else end)
        at = stop


def _spread(texts: Sequence[str], begin: float | None, end: float | None) -> Iterator[TimedWord]:
    """Words without times in the gap that their neighbours leave."""
    if begin is None or end is None:
        raise _Unusable(f"the word {texts[0]!r} has no times, and nothing says where it could be")
    if not end - begin >= _LEAST_S * len(texts) or not math.isfinite(end - begin):
        room = max(0.0, end - begin)
        raise _Unusable(f"{len(texts)} words without times, the first {texts[0]!r}, in {room:.2f} s")
    letters = sum(map(len, texts))
    free = end - begin - _LEAST_S * len(texts)
    for text in texts:
        stop = begin + _LEAST_S + free * len(text) / letters
        yield TimedWord(text, begin, min(stop, end), 0.0)
        begin = stop
