"""Seeded damage to the bytes of a file: what disks, editors, spreadsheets and other people's programs do to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lst_cli.hashing import integers

_TEXTS = (
    *(
        "\x00",
        "\ufeff",
        "\u2028",
        "\x85",
        "\r",
        "\r\n",
        "\n\n\n",
        "\t",
        '"',
        "'",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "#",
    ),
    *("NaN", "Infinity", "-1", "1e999", "null", "true", "9" * 400, "0x1F", "\x1b[2J", "é", "e\u0301", "漢字", "👍"),
    *("[" * 5000, '{"a":' * 5000, "../../x", "/dev/null", "<unk>", "&a [*a]", "!!python/none", " ", "a" * 5000),
)
_BYTES = (b"\xff\xfe", b"\x80", b"\xc3", b"RIFF", b"PAR1", b"\x00" * 64, b"\xff" * 64)


class Draw:
    """Integers that are a function of a seed and of how many were drawn before."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0

    def below(self, bound: int) -> int:
        """An integer from 0 to below ``bound``."""
        self._count += 1
        return int(integers(0, max(0, bound - 1), self._seed, self._count))

    def one_of(self, choices: Sequence[bytes]) -> bytes:
        """One of these."""
        return choices[self.below(len(choices))]


def _flip(data: bytes, draw: Draw) -> bytes:
    changed = bytearray(data)
    for _ in range(1 + draw.below(8)):
        if changed:
            changed[draw.below(len(changed))] ^= 1 << draw.below(8)
    return bytes(changed)


def _cut_off(data: bytes, draw: Draw) -> bytes:
    return data[: draw.below(len(data) + 1)]


def _remove(data: bytes, draw: Draw) -> bytes:
    start = draw.below(len(data) + 1)
    return data[:start] + data[start + 1 + draw.below(64) :]


def _repeat(data: bytes, draw: Draw) -> bytes:
    start = draw.below(len(data) + 1)
    piece = data[start : start + 1 + draw.below(200)]
    return data[:start] + piece * (2 + draw.below(3)) + data[start:]


def _insert(data: bytes, draw: Draw) -> bytes:
    start = draw.below(len(data) + 1)
    return data[:start] + draw.one_of([*(text.encode() for text in _TEXTS), *_BYTES]) + data[start:]


def _overwrite(data: bytes, draw: Draw) -> bytes:
    start, piece = draw.below(len(data) + 1), draw.one_of([*(text.encode() for text in _TEXTS), *_BYTES])
    return data[:start] + piece + data[start + len(piece) :]


def _lines(data: bytes, draw: Draw) -> bytes:
    lines = data.split(b"\n")
    first, second = draw.below(len(lines)), draw.below(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    if draw.below(2):
        del lines[draw.below(len(lines))]
    return b"\n".join(lines)


def _value(data: bytes, draw: Draw) -> bytes:
    """Put another value for one word of a text."""
    words = data.split(b" ")
    words[draw.below(len(words))] = draw.one_of([text.encode() for text in _TEXTS])
    return b" ".join(words)


def _whole(data: bytes, draw: Draw) -> bytes:
    return draw.one_of(
        [
            b"",
            b"\n",
            b"\x00" * 100,
            data * 3,
            data[::-1],
            b"\xef\xbb\xbf" + data,
            data.decode("latin-1").encode("utf-16"),
        ]
    )


_MUTATIONS: Sequence[Callable[[bytes, Draw], bytes]] = (
    *(_flip, _flip, _cut_off, _remove, _repeat, _insert, _insert, _overwrite, _lines, _value, _whole),
)


def mutate(data: bytes, seed: int) -> bytes:
    """Damage some bytes in one to three ways; the same for the same seed."""
    draw = Draw(seed)
    for _ in range(1 + draw.below(3)):
        data = _MUTATIONS[draw.below(len(_MUTATIONS))](data, draw)
    return data
