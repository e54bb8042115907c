"""The result of every layout: the utterances that a source lists, before any audio is opened."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import overload

from lst_cli.errors import UserError
from lst_cli.json_text import NotText, decode
from lst_cli.storage.bucket_path import AnyPath, BucketPath

AUDIO_SUFFIXES = frozenset(
    (
        *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".caf", ".w64", ".sph"),
        *(".m4a", ".m4b", ".mp4", ".aac", ".webm", ".mka", ".wma", ".amr", ".ape", ".wv", ".tta", ".mp2", ".rf64"),
    )
)
"""File names taken for audio. What a file holds is seen by its contents."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One utterance as its layout lists it."""

    id: str
    path: AnyPath
    """The audio file, absolute or in a bucket; or the Parquet file that holds the audio."""
    row: int | None = None
    """Row of the Parquet file; None if the audio is a file of its own."""
    text: str | None = None
    speaker: str | None = None
    source: str | None = None
    """Data set; None for the corpus's own name."""
    start_s: float = 0.0
    """Where the utterance starts in its file, in seconds."""
    end_s: float | None = None
    """Where it ends, in seconds; None for the file's end."""
    channel: int | None = None
    """The one channel to read; None for the mean of all."""
    problem: str | None = None
    """Why it must be rejected, with the fix; None if nothing is wrong so far."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """All that a source claims to hold."""

    entries: Iterable[Entry]
    """In corpus order. Can be iterated several times; a long manifest is read again each time."""
    documents: list[AnyPath] = field(default_factory=list)
    """Transcripts and manifests; their contents count for the fingerprint."""
    notes: list[str] = field(default_factory=list)
    """Warnings that reject nothing; filled during the iteration over the entries."""


@dataclass(frozen=True, kw_only=True)
class CorpusLayout:
    """A layout of a corpus on a disk or in a bucket."""

    name: str
    about: str
    """One line for the docs and for errors."""
    recognises: Callable[[AnyPath, Sequence[AnyPath]], bool]
    """Whether an existing source (file or folder) has this layout, given all files below it."""
    read: Callable[[AnyPath, bool], Listing]
    """List a source; the flag says whether transcripts are wanted."""


@overload
def files_below(folder: Path) -> Iterator[Path]: ...


@overload
def files_below(folder: AnyPath) -> Iterator[AnyPath]: ...


def files_below(folder: AnyPath) -> Iterator[AnyPath]:
    """Every file below a folder in a fixed order, without hidden ones (such as macOS's ``._name.wav``).

    A link to a folder is followed only if the folder lies outside: inside it is found by its own path, and a link to
    a parent would go round in circles.

    :raises UserError: a folder can't be listed.
    """
    if isinstance(folder, BucketPath):
        yield from folder.files_below()
        return
    top = os.path.realpath(folder)
    outside: set[str] = set()
    # (path, whether it is a folder, whether a link to elsewhere led there)
    waiting = [(str(folder), True, False)]
    while waiting:
        path, is_folder, is_outside = waiting.pop()
        if not is_folder:
            yield Path(path)
            continue
        if is_outside:
            real = os.path.realpath(path)
            if real in outside or _is_below(real, top) or _is_below(top, real):
                continue
            outside.add(real)
        waiting += [(each, folder, is_outside or link) for each, folder, link in _list(path)]


def _list(folder: str) -> list[tuple[str, bool, bool]]:
    """(path, whether it is a folder, whether it is a link to one), in falling order of name."""
    try:
        with os.scandir(folder) as found:
            names = sorted((each for each in found if each.name[0] != "."), key=lambda each: each.name, reverse=True)
            return [(each.path, is_folder := _is_folder(each), is_folder and each.is_symlink()) for each in names]
    except OSError as error:
        raise UserError(
            f"{folder}: the folder can't be listed", found=error.strerror, fix="change its permissions"
        ) from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def matching(folder: AnyPath, pattern: str) -> list[AnyPath]:
    """What matches a pattern below a folder, sorted."""
    found: Iterable[AnyPath] = folder.glob(pattern)
    return sorted(found, key=str)


def is_audio(path: AnyPath) -> bool:
    """Whether a file has an audio file's name."""
    return path.suffix.lower() in AUDIO_SUFFIXES


def id_of(path: AnyPath, folder: AnyPath) -> str:
    """The id of an audio file: its path below the folder, without suffix, with forward slashes, in NFC."""
    return same_name(path.relative_to(str(folder)).with_suffix("").as_posix())


def same_name(name: str) -> str:
    """A name in one normal form (NFC): macOS writes accents apart from their letters (NFD), others do not."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def is_there(path: AnyPath) -> bool:
    """Whether there is such a file or folder; not if its name is too long, at which ``Path.exists`` raises."""
    return path.exists() if isinstance(path, BucketPath) else os.path.exists(path)  # noqa: PTH110


def find_file(path: AnyPath) -> AnyPath:
    """The file of this name, in any Unicode normal form; the path unchanged if there is none."""
    if isinstance(path, BucketPath):
        known = str(path).isascii() or path.is_file()
        return path if known else path.parent / _names_in(path.parent).get(same_name(path.name), path.name)
    if str(path).isascii() or os.path.lexists(path):
        return path
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        exact = found / part
        found = exact if os.path.lexists(exact) else found / _names_in(found).get(same_name(part), part)
    return found


@lru_cache(maxsize=256)
def _names_in(folder: AnyPath) -> dict[str, str]:
    try:
        return {same_name(each.name): each.name for each in folder.iterdir() if not each.name.isascii()}
    except OSError:
        return {}


class NoText(Exception):
    """A text file can't be read; the message says why, and what to do."""


class NotUtf8(NoText):
    """A text file or a line of it is not text; the message says where.

    :param where: the file, or its line.
    """

    def __init__(self, where: str, reason: NotText, data: bytes) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason = str(reason)
        self.guess = data.decode("utf-8", "replace")
        """The text, with a replacement for what is none."""


def read_text(path: AnyPath) -> str:
    """A text file in UTF-8 (or in UTF-16 with its mark), without byte-order marks; a ``.gz`` is unpacked.

    :raises NotUtf8: it holds other bytes.
    :raises FileNotFoundError: there is no such file.
    :raises NoText: it is a pipe or a device, or can't be read.
    """
    return decode_text(_read_bytes(path), str(path))


def read_lines(path: AnyPath) -> list[str | NotUtf8]:
    """The lines of a text file as :func:`read_text` reads it; one that is not text is an error by itself.

    :raises FileNotFoundError: there is no such file.
    :raises NoText: it is a pipe or a device, or can't be read.
    """
    data = _read_bytes(path)
    try:
        return list(lines_of(decode_text(data, str(path))))
    except NotUtf8:
        return [_line(line, f"{path}, line {number}") for number, line in enumerate(data.split(b"\n"), start=1)]


def _line(data: bytes, where: str) -> str | NotUtf8:
    try:
        return decode_text(data, where).rstrip("\r")
    except NotUtf8 as error:
        return error


def _read_bytes(path: AnyPath) -> bytes:
    try:
        data = path.read_bytes() if isinstance(path, BucketPath) else _read_regular(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NoText(f"{path}: {error.strerror}") from None
    if path.suffix == ".gz":
        data = _unpack(path, data)
    return data


def _read_regular(path: Path) -> bytes:
    # Without O_NONBLOCK, opening a pipe waits for someone who writes to it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(handle, "rb") as stream:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NoText(f"{path}: not a regular file")
        return stream.read()


def decode_text(data: bytes, where: str) -> str:
    """Text from bytes, without byte-order marks.

    :raises NotUtf8: they are not UTF-8.
    """
    try:
        return decode(data)
    except NotText as error:
        raise NotUtf8(where, error, data) from None


def _unpack(path: AnyPath, data: bytes) -> bytes:
    import gzip
    import zlib

    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a whole gzip file", found=str(error), fix="copy it again") from None


def read_document(path: AnyPath) -> str:
    """Like :func:`read_text`, for a file that the whole source hangs on.

    :raises UserError: it is missing, or not UTF-8.
    """
    try:
        return read_text(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except NoText as error:
        raise UserError(str(error)) from None


def lines_of(text: str) -> list[str]:
    """The lines of a text: they end at a line feed only. U+2028, U+0085 and others are characters like any other."""
    return [line.rstrip("\r") for line in text.split("\n")]


def one_line(text: str) -> str:
    """A transcript on one line, single-spaced."""
    return " ".join(text.split())
