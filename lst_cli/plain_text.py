"""Text from outside: UTF-8, or UTF-16 with its byte-order mark. Anything else has a reason, and a way to mend it."""

from __future__ import annotations

UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


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
