"""Names of currencies, symbols and fractions: in English, and in a few other languages."""

from __future__ import annotations

_ENGLISH_MONEY = {
    "$": ("dollar", "dollars"),
    "£": ("pound", "pounds"),
    "€": ("euro", "euros"),
    "¥": ("yen", "yen"),
    "₹": ("rupee", "rupees"),
    "₽": ("ruble", "rubles"),
    "₩": ("won", "won"),
    "₺": ("lira", "lira"),
    "₴": ("hryvnia", "hryvnias"),
    "₪": ("shekel", "shekels"),
    "₫": ("dong", "dong"),
    "฿": ("baht", "baht"),
    "₱": ("peso", "pesos"),
    "₦": ("naira", "naira"),
    "₿": ("bitcoin", "bitcoins"),
    "¢": ("cent", "cents"),
}
_OTHER_MONEY = {
    "de": {"$": ("dollar", "dollar"), "£": ("pfund", "pfund"), "€": ("euro", "euro"), "¢": ("cent", "cent")},
    "fr": {"£": ("livre", "livres"), "¥": ("yen", "yens"), "₹": ("roupie", "roupies")},
    "es": {"$": ("dólar", "dólares"), "£": ("libra", "libras"), "¥": ("yen", "yenes"), "¢": ("centavo", "centavos")},
    "it": {"$": ("dollaro", "dollari"), "£": ("sterlina", "sterline"), "€": ("euro", "euro")},
    "pt": {"$": ("dólar", "dólares"), "£": ("libra", "libras"), "¥": ("iene", "ienes"), "¢": ("centavo", "centavos")},
    "nl": {"$": ("dollar", "dollar"), "£": ("pond", "pond"), "€": ("euro", "euro"), "¢": ("cent", "cent")},
}
CURRENCIES = "".join(_ENGLISH_MONEY)
"""All currency signs."""

CENTS = {"$": ("cent", "cents"), "€": ("cent", "cents"), "£": ("penny", "pence")}
"""English names of the currencies' subunits."""

_ENGLISH_SYMBOLS = {
    "%": "percent",
    "&": "and",
    "@": "at",
    "+": "plus",
    "=": "equals",
    "°": "degrees",
    "−": "minus",
    "²": "squared",
    "³": "cubed",
    "×": "times",
    "÷": "divided by",
}
_OTHER_SYMBOLS = {
    "de": {"%": "prozent", "&": "und", "@": "at", "=": "gleich", "°": "grad", "²": "quadrat", "³": "kubik", "×": "mal"},
    "fr": {"%": "pour cent", "&": "et", "=": "égale", "°": "degrés", "−": "moins", "²": "carré", "³": "cube"},
    "es": {"%": "por ciento", "&": "y", "+": "más", "=": "igual a", "°": "grados", "−": "menos"},
    "it": {"%": "per cento", "&": "e", "+": "più", "=": "uguale", "°": "gradi", "−": "meno"},
    "pt": {"%": "por cento", "&": "e", "+": "mais", "=": "igual a", "°": "graus", "−": "menos"},
    "nl": {"%": "procent", "&": "en", "=": "is", "°": "graden", "−": "min"},
}
SYMBOLS = "".join(_ENGLISH_SYMBOLS)
"""All symbols that have a name."""

MAGNITUDES = {
    **{word: word for word in ("hundred", "thousand", "million", "billion", "trillion")},
    "k": "thousand",
    "m": "million",
    "mn": "million",
    "bn": "billion",
    "b": "billion",
    "tn": "trillion",
}
"""Words between an English amount and its currency: ``$1.5 million``, ``$3bn``."""

_DENOMINATORS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
_HALF = {"de": "ein halb", "fr": "un demi", "es": "medio", "it": "mezzo", "pt": "meio", "nl": "een half"}
ONE = {"de": "ein", "it": "un", "es": "un"}
"""One before a noun, where this is not the cardinal."""
_AND = {"en": "and", "de": "und", "fr": "et", "es": "y", "it": "e", "pt": "e", "nl": "en"}


def money_name(sign: str, amount: str, language: str) -> str:
    """A currency's name; in the singular after ``1``. English where the language has none here."""
    one, many = _OTHER_MONEY.get(language[:2], {}).get(sign, _ENGLISH_MONEY[sign])
    return one if amount == "1" else many


def symbol_name(sign: str, language: str) -> str:
    """A symbol's name. English where the language has none here."""
    return _OTHER_SYMBOLS.get(language[:2], {}).get(sign, _ENGLISH_SYMBOLS[sign])


def half_name(language: str) -> str | None:
    """One half, where this is not made by the rule of other fractions."""
    return _HALF.get(language[:2])


def denominator_name(number: int, several: bool) -> str | None:
    """``half``, ``halves``, ``quarter``, ``quarters``: English denominators that are not ordinals."""
    names = _DENOMINATORS.get(number)
    return None if names is None else names[several]


def joining_word(language: str) -> str:
    """The word between a whole number and its fraction."""
    return _AND.get(language[:2], "")
