"""JSON from outside: one exception for every way in which a text can be no JSON."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """The value that a JSON text holds. ``NaN`` and ``Infinity`` are read; callers check ranges.

    :raises ValueError: it is not JSON, or nested deeper than the parser follows.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
