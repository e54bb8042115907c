"""Text and JSON from outside: one exception for every way in which bytes can be no text, and a text no JSON."""

from __future__ import annotations

import json
from typing import Any

UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""Byte-order marks of UTF-16."""


def parse_json(text: str | bytes) -> Any:
    """The value that a JSON text holds. ``NaN`` and ``Infinity`` are read; callers check ranges.

    :raises ValueError: it is not JSON, nested deeper than the parser follows, or an object has a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two equal keys Python's parser would keep the last one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} occurs twice")
    return found


def is_text(value: Any) -> bool:
    """Whether all strings of a JSON value can be written as UTF-8: none holds half of a surrogate pair."""
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, dict):
        return all(is_text(key) and is_text(each) for key, each in value.items())
    return not isinstance(value, list) or all(is_text(each) for each in value)


class NotText(ValueError):
    """Bytes that are not text; the message says why, and how to convert them."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(f"{found}; {fix}")
        self.found = found
        self.fix = fix


def decode(data: bytes) -> str:
    """Text from bytes, without byte-order marks.

    :raises NotText: they are neither UTF-8 nor UTF-16 with its mark, or hold NUL characters.
    """
    try:
        text = data.decode("utf-16" if data.startswith(UTF_16_MARKS) else "utf-8")
    except UnicodeDecodeError as error:
        if data.startswith(b"\x1f\x8b"):
            raise NotText("a gzip file, and not text", "unpack it with gunzip") from None
        number = data.count(b"\n", 0, error.start) + 1
        line = f" in line {number}" if b"\n" in data else ""
        raise NotText(
            f"not UTF-8 (byte 0x{data[error.start]:02x}{line})",
            "convert it: iconv -f WINDOWS-1252 -t UTF-8, or from the encoding it has",
        ) from None
    if "\0" in text:
        raise NotText(
            "NUL characters: UTF-16 without its byte-order mark, or not text",
            "convert it: iconv -f UTF-16LE -t UTF-8, or from the encoding it has",
        )
    return text.replace("\ufeff", "")
