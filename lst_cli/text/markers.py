"""Labels of transcripts that are not words: silence, noise, unknown words, sentence ends."""

from __future__ import annotations

import re
import unicodedata

_BRACKETED = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}|\(\(.*\)\)|\+\+.+\+\+")
"""``<unk>``, ``</s>``, ``[noise]``, ``{LG}``, ``((unclear))``, ``++NOISE++``."""

_NAMED = frozenset({"sil", "sp", "spn", "nsn", "pau", "h#", "#h", "!sil", "!enter", "!exit", "!null", "<unk", "-pau-"})
"""Markers of aligners without brackets, in lower case. In a plain transcript these may be words."""


def is_marker(token: str) -> bool:
    """Whether a token of a transcript is a marker in brackets rather than a word."""
    return _BRACKETED.fullmatch(token.strip()) is not None


def is_silence(label: str) -> bool:
    """Whether a label of an alignment file is not a word: empty, a marker, or punctuation alone."""
    plain = label.strip().casefold()
    if plain in _NAMED or is_marker(plain):
        return True
    # '&', '%' and '@' are punctuation to Unicode, but are read aloud.
    return all(unicodedata.category(char)[0] in "PZC" and char not in "&%@" for char in plain)
