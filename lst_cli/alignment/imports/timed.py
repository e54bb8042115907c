"""Words with times, as alignment files of other tools hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lst_cli.errors import UserError

SILENCES = frozenset({"", "sil", "sp", "spn", "<sil>", "<eps>", "<silence>", "[sil]", "[silence]", "<p:>"})
"""Labels that mean silence or noise, in lower case."""


@dataclass(frozen=True)
class TimedWord:
    """A word and where it is, in seconds from the beginning of its utterance."""

    text: str
    start_s: float
    end_s: float
    score: float = 1.0
    """Confidence from 0 to 1, where the file has one."""


class TimedReader(Protocol):
    """Reads one file."""

    def __call__(self, path: Path) -> dict[str | None, list[TimedWord]]:
        """Words by utterance id; None where the file's own name is the id. Silences are left out.

        :raises UserError: the file is not of this format.
        """


def is_silence(label: str) -> bool:
    """Whether a label means silence."""
    return label.strip().lower() in SILENCES


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark (as Praat writes it).

    :raises UserError: it can't be read, or is in another encoding.
    """
    try:
        data = path.read_bytes()
        utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        return data.decode("utf-16" if utf_16 else "utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: can't be read", found=str(error)) from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8", found=f"{error.reason} at byte {error.start}", fix="save it again as UTF-8"
        ) from None


def damaged(path: Path, where: str, found: str, expected: str) -> UserError:
    """An error about a place in a file."""
    return UserError(f"{path}, {where}: not what the format has there", found=found, expected=expected)
