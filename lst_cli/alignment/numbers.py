"""Digits and symbols as a reader speaks them, so that their letters can be aligned.

Rules, tried in this order at each place of a word:

1. ``$5``, ``£1.50``, ``20€``, ``$1.5 million``: the amount, then the currency; cents follow it (``one pound fifty``).
2. ``½``, ``2¾``, ``3/4``: fractions (``two and three quarters``).
3. ``1990s``, ``90s``: the decade (``nineteen nineties``).
4. ``3rd``, ``21st``, ``1º``: the ordinal.
5. ``10:30``: hours, then minutes; ``10:00`` is only the hour.
6. A number with separators: ``1,234`` and ``3.50`` (``three point five zero``); in a language with a decimal comma,
   ``1.234`` and ``3,50``. Separators that make neither part numbers (``3,4`` in English, ``192.168.1.1``).
7. A bare number of four digits from 1100 to 2099: a year (``nineteen ninety-five``).
8. Digits with a leading zero, or more than 15 of them: one by one.
9. Any other digits: the cardinal.
10. ``% & @ + = °`` and the like, and currencies alone: their names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from lst_cli.alignment.number_names import (
    CENTS,
    CURRENCIES,
    MAGNITUDES,
    ONE,
    SYMBOLS,
    denominator_name,
    half_name,
    joining_word,
    money_name,
    symbol_name,
)
from lst_cli.alignment.number_words import cardinal, decimal, one_by_one, ordinal, year

_POINT_LANGUAGES = frozenset(["en", "am", "bn", "cy", "fa", "he", "ja", "kn", "ko", "te", "th"])
"""Languages that write a decimal point; all others write a decimal comma."""

_NUMBER = r"\d+(?:[.,'’]\d+)*|(?<![\w.])\.\d+"
_FRACTIONS = "¼½¾" + "".join(map(chr, range(0x2150, 0x2160))) + "\u2189"

_SPOKEN = re.compile(
    rf"(?P<sign>[{CURRENCIES}])(?P<amount>{_NUMBER})(?P<unit>bn|tn|mn|[kmb])?(?![\w])"
    rf"|(?P<before>{_NUMBER})(?P<after>[{CURRENCIES}])"
    rf"|(?P<whole>\d+)?(?P<fraction>[{_FRACTIONS}])"
    r"|(?<![\d/.,:])(?P<top>[1-9])[/\u2044](?P<bottom>[2-9]|10)(?![\d/])"
    r"|(?P<decade>(?:1[1-9]|20)?\d0)(?:'|’)?s\b"
    r"|(?P<ordinal>\d[\d,]*)(?:(?:st|nd|rd|th)\b|[ºª])"
    r"|(?P<hours>\d?\d):(?P<minutes>[0-5]\d)(?!\d)"
    rf"|(?P<number>{_NUMBER})"
    rf"|(?P<symbol>[{re.escape(SYMBOLS)}{CURRENCIES}])",
    re.IGNORECASE,
)
_MINUS = re.compile(r"^(\W*?)[-−](?=[\d.]|[$£€¥]\d)")
_AMOUNT_ALONE = re.compile(rf"\W*?[{CURRENCIES}](?:{_NUMBER})")
_ALONE = re.compile(rf"([{CURRENCIES}])(\W*)")


def speak_tokens(tokens: Sequence[str], language: str) -> list[str]:
    """Each token of a transcript as it is read out, with digits and symbols in words.

    :param language: a code that num2words knows, such as ``en``.
    """
    spoken = [speak_numbers(token, language) for token in tokens]
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        magnitude = re.match(r"[a-z]+", following.lower())
        if language[:2] == "en" and magnitude and magnitude[0] in MAGNITUDES and _AMOUNT_ALONE.fullmatch(token):
            # "$1.5 million": the currency is last, "one point five" "million dollars".
            sign = next(char for char in token if char in CURRENCIES)
            spoken[at] = speak_numbers(token.replace(sign, ""), language)
            spoken[at + 1] = f"{spoken[at + 1]} {money_name(sign, '', language)}"
        alone = _ALONE.fullmatch(token)
        if alone and at and re.fullmatch(_NUMBER, tokens[at - 1]):
            spoken[at - 1 : at + 1] = _two_words(alone[1], tokens[at - 1], language)
    return spoken


def _two_words(sign: str, amount: str, language: str) -> tuple[str, str]:
    """An amount and the currency sign after it, which stand as two words: ``1,50 €``."""
    whole = _money(sign, amount, "", language)
    words = whole.split()
    names = (money_name(sign, "1", language), money_name(sign, "", language))
    at = next((at for at, word in enumerate(words) if word in names), len(words))
    return " ".join(words[:at]), " ".join(words[at:])


def speak_numbers(text: str, language: str) -> str:
    """Replace digits and symbols in ``text`` by words, set off by spaces."""
    text = "".join(map(_plain_digit, text))
    signed = _MINUS.sub(lambda match: f"{match[1]} {symbol_name('−', language)} ", text)
    return _SPOKEN.sub(lambda match: f" {_speak(match, language)} ", signed)


def _plain_digit(char: str) -> str:
    """Digits of other kinds (``①``, ``１``) as plain ones; fractions and ``²`` have separate names."""
    other = unicodedata.category(char) in ("No", "Nd") and char not in _FRACTIONS and char not in SYMBOLS
    return f" {unicodedata.normalize('NFKC', char)} " if other and not char.isdecimal() else char


def _speak(match: re.Match[str], language: str) -> str:
    parts = match.groupdict()
    if parts["sign"] or parts["after"]:
        unit = MAGNITUDES[parts["unit"].lower()] if parts["unit"] else ""
        return _money(parts["sign"] or parts["after"], parts["amount"] or parts["before"], unit, language)
    if parts["fraction"]:
        top, _, bottom = unicodedata.normalize("NFKD", parts["fraction"]).partition("\u2044")
        return _mixed(parts["whole"], top, bottom, language)
    if parts["top"]:
        return _mixed(None, parts["top"], parts["bottom"], language)
    if parts["decade"]:
        spoken = year(parts["decade"], language) if len(parts["decade"]) == 4 else cardinal(parts["decade"], language)
        return spoken[:-1] + "ies" if spoken.endswith("y") else spoken + "s"
    if parts["ordinal"]:
        return ordinal(parts["ordinal"].replace(",", ""), language)
    if parts["hours"]:
        hour = cardinal(parts["hours"].lstrip("0") or "0", language)
        return hour if parts["minutes"] == "00" else f"{hour} {_minutes(parts['minutes'], language)}"
    if parts["symbol"]:
        sign = parts["symbol"]
        return money_name(sign, "", language) if sign in CURRENCIES else symbol_name(sign, language)
    return _number(parts["number"], language)


def _money(sign: str, amount: str, unit: str, language: str) -> str:
    whole, fraction = _split(amount, language) or (None, None)
    if whole is None or unit or (fraction is not None and (len(fraction) != 2 or sign not in CENTS)):
        return f"{_number(amount, language)} {unit} {money_name(sign, '', language)}"
    if fraction not in (None, "00") and not int(whole or "0") and language[:2] == "en":
        return f"{cardinal(fraction.lstrip('0'), language)} {CENTS[sign][int(fraction) > 1]}"
    one = ONE.get(language[:2]) if whole == "1" else None
    spoken = f"{one or cardinal(whole or '0', language)} {money_name(sign, whole, language)}"
    return spoken if fraction in (None, "00") else f"{spoken} {cardinal(fraction.lstrip('0'), language)}"


def _mixed(whole: str | None, top: str, bottom: str, language: str) -> str:
    """A fraction, after a whole number where there is one."""
    fraction = _fraction(int(top), int(bottom or "1"), language)
    return f"{cardinal(whole, language)} {joining_word(language)} {fraction}" if whole else fraction


def _fraction(top: int, bottom: int, language: str) -> str:
    several = top != 1
    if language[:2] != "en":
        half = half_name(language) if (top, bottom) == (1, 2) else None
        return half or f"{cardinal(str(top), language)} {ordinal(str(bottom), language)}"
    name = denominator_name(bottom, several) or ordinal(str(bottom), language) + "s" * several
    return f"{cardinal(str(top), language)} {name}"


def _minutes(digits: str, language: str) -> str:
    oh = "oh " if digits[0] == "0" and language[:2] == "en" else ""
    return oh + cardinal(digits.lstrip("0"), language)


def _number(text: str, language: str) -> str:
    found = _split(text, language)
    if found is None:
        return " ".join(_number(part, language) for part in re.split(r"[.,'’]", text))
    whole, fraction = found
    if fraction is not None:
        return decimal(whole, "," if "," in text and "." not in text else ".", fraction, language)
    if len(text) == 4 and 1100 <= int(whole) < 2100:
        return year(whole, language)
    return one_by_one(whole, language) if len(whole) > 1 and whole[0] == "0" else cardinal(whole, language)


def _split(text: str, language: str) -> tuple[str, str | None] | None:
    """Whole part and fraction of a number as the language writes it; None if it is several numbers."""
    point, comma = (".", ",") if language[:2] in _POINT_LANGUAGES else (",", ".")
    if re.fullmatch(r"\d+", text):
        return text, None
    grouped = re.fullmatch(rf"(\d{{1,3}}(?:[{comma}'’]\d{{2,3}})*[{comma}'’]\d{{3}})(?:[{point}](\d+))?", text)
    if grouped:
        return re.sub(r"\D", "", grouped[1]), grouped[2]
    # One separator that can't be of thousands: a decimal mark, also the other language's.
    single = re.fullmatch(r"(\d*)([.,])(\d+)", text)
    if single and (single[2] == point or (single[2] == "." and len(single[3]) != 3)):
        return single[1], single[3]
    return None
