"""Numbers in words by num2words, for every language that it knows, without its exceptions.

Where num2words has no such form, or fails, the next simpler one is taken: year or ordinal, cardinal, digit by digit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from lst_cli.errors import UserError

_LONGEST_CARDINAL = 15
"""Digits; nobody reads a longer number as a cardinal."""
_LONGEST_IN = {"am": 4}
"""num2words never returns for longer ones in these languages."""

_YEARS = ("en", "de", "da", "nl", "no", "sl")
"""Languages that read a year otherwise than a cardinal, where num2words adds no word for 'year' or an era."""
_HUNDREDS = {"sv": "hundra"}
"""Languages that do so, which num2words lacks: nineteen, this word, ninety-five."""

_POINT = {
    "ar": "فاصلة",
    "bn": "দশমিক",
    "cy": "pwynt",
    "fa": "ممیز",
    "id": "koma",
    "it": "virgola",
    "ja": "点",
    "vi": "phẩy",
    "ru": "целых",
    "kz": "бүтін",
}
"""The spoken decimal mark, for languages without an attribute for it in num2words."""
_COMMA = {"es": "coma", "ca": "coma"}
"""The decimal comma, where a decimal point is called otherwise."""


def check_language(language: str) -> None:
    """Refuse a language that num2words does not know.

    :raises UserError: naming the option.
    """
    from num2words import CONVERTER_CLASSES

    if language not in CONVERTER_CLASSES and language[:2] not in CONVERTER_CLASSES:
        raise UserError(
            f"--language {language}: not supported by num2words",
            expected=f"one of {', '.join(sorted(CONVERTER_CLASSES))}",
            fix="give another --language, or write the numbers of the transcripts out in words",
        )


def cardinal(digits: str, language: str) -> str:
    """A whole number; digit by digit where it begins with 0 or is too long to be read as one."""
    longest = _LONGEST_IN.get(language, _LONGEST_CARDINAL)
    if (digits[0] == "0" and len(digits) > 1) or len(digits) > longest:
        return one_by_one(digits, language)
    return _spoken(digits, "cardinal", language) or one_by_one(digits, language)


def ordinal(digits: str, language: str) -> str:
    """The ordinal, or the cardinal."""
    short = len(digits) <= _LONGEST_IN.get(language, _LONGEST_CARDINAL)
    return (_spoken(digits, "ordinal", language) if short else "") or cardinal(digits, language)


def year(digits: str, language: str) -> str:
    """Four digits as a year (``nineteen ninety-five``), if the language has a special form for it."""
    if language in _HUNDREDS and digits[1] != "0":
        rest = cardinal(digits[2:].lstrip("0"), language) if digits[2:] != "00" else ""
        return cardinal(digits[:2], language) + _HUNDREDS[language] + rest
    return (_spoken(digits, "year", language) if language[:2] in _YEARS else "") or cardinal(digits, language)


def decimal(whole: str, mark: str, fraction: str, language: str) -> str:
    """A number with digits after its decimal mark, which are spoken one by one, including trailing zeros."""
    from num2words import CONVERTER_CLASSES

    name = language if language in CONVERTER_CLASSES else language[:2]
    own = _COMMA.get(language[:2]) if mark == "," else None
    point = own or _POINT.get(name) or getattr(CONVERTER_CLASSES[name], "pointword", None) or "point"
    return f"{cardinal(whole or '0', language)} {point.strip().lower()} {one_by_one(fraction, language)}"


def one_by_one(digits: str, language: str) -> str:
    """Each digit as a word."""
    return " ".join(_spoken(digit, "cardinal", language) or digit for digit in digits)


@lru_cache(maxsize=65536)
def _spoken(number: str, form: str, language: str) -> str:
    """A whole number by num2words; empty if it fails or leaves digits."""
    from num2words import num2words

    speak: Callable[..., str] = num2words
    try:
        spoken = speak(int(number), to=form, lang=language)
    except Exception:  # noqa: BLE001 (num2words raises any of a dozen types, by language and number)
        return ""
    plain = " ".join(str(spoken).lower().split())
    return "" if any(char.isdigit() for char in plain) else plain
