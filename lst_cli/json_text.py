"""JSON from outside: one exception for every way in which a text can be no JSON."""

from __future__ import annotations

import json
from typing import Any


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
