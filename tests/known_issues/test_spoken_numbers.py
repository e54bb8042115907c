"""Numbers in transcripts: spoken as a reader speaks them, and never an exception."""

from __future__ import annotations

import itertools
import string

import pytest
from num2words import CONVERTER_CLASSES

from lst_cli.alignment.numbers import speak_tokens
from lst_cli.alignment.words import spoken_words

LETTERS = frozenset(string.ascii_lowercase + "äöüß")


def spoken(text: str, language: str = "en") -> str:
    return " ".join(part for word in spoken_words(text, LETTERS, language) for part in word.parts)


SAMPLE = """
0 1 2 3 5 7 21 50 100 101 1000 1100 1995 2000 2005 12345 1234567 999999999999999 1000000000000000 007
0.05 3.5 1.005 12345.678 3,50 1,234.50 1.234,50 .5 3rd 100th 1º $5 1€ £0.01 ¥100 $1.5 -5 ½ 2¾ 3/4 1990s 10:05 08:00
192.168.1.1 1,2,3 5% ① ٣ 1'234 $1,00,00 1. 1.. ,1 €1.2.3 50¢
"""
SAMPLES = SAMPLE.split()


@pytest.mark.parametrize("language", sorted(CONVERTER_CLASSES))
def test_some_number_ended_the_stage_in_some_language(language: str) -> None:
    words = speak_tokens(SAMPLES, language)
    assert len(words) == len(SAMPLES) and all(word.strip() for word in words)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("$1.5 million", "one point five million dollars"),
        ("over $2 billion, he", "over two billion dollars he"),
        ("$3bn", "three billion dollars"),
        ("½", "one half"),
        ("2¾ inches", "two and three quarters inches"),
        ("1/3 or ⅔", "one third or two thirds"),
        ("1€", "one euro"),
        ("20 €", "twenty euros"),
        ("¥100", "one hundred yen"),
        ("₹10 50¢", "ten rupees fifty cents"),
        ("$0.50 £0.01", "fifty cents one penny"),
        ("$1.50 $1.5", "one dollar fifty one point five dollars"),
        ("-5° −3", "minus five degrees minus three"),
        ("3,4", "three four"),
        ("5m²", "five m squared"),
    ],
)
def test_english_money_fractions_and_signs_were_lost_or_wrong(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize(
    ("written", "language", "said"),
    [
        ("3.50", "de", "drei komma fünf null"),
        ("3,50", "de", "drei komma fünf null"),
        ("1.234", "de", "eintausendzweihundertvierunddreißig"),
        ("1.234,5", "de", "eintausendzweihundertvierunddreißig komma fünf"),
        ("1,50 €", "de", "ein euro fünfzig"),
        ("1995", "de", "neunzehnhundertfünfundneunzig"),
        ("1995", "sv", "nittonhundranittiofem".replace("å", "a")),
        ("3,5", "it", "tre virgola cinque"),
        ("3,5", "es", "tres coma cinco"),
        ("3rd", "cs", "tri"),
    ],
)
def test_numbers_of_other_languages_were_read_by_english_rules(written: str, language: str, said: str) -> None:
    assert spoken(written, language) == said


def test_markers_in_brackets_were_aligned_as_words() -> None:
    text = "hello [noise] <unk> you {LG} there </s>"
    assert [word.text for word in spoken_words(text, LETTERS)] == ["hello", "you", "there"]


def test_every_short_string_of_digits_and_signs_can_be_spoken() -> None:
    for chars in itertools.product("1½05.,/$€'-% ", repeat=4):
        speak_tokens("".join(chars).split(), "en")
