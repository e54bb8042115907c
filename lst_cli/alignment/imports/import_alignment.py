"""``lst align import``: word times from other aligners become an alignment of speech tokens.

A damaged file, line or utterance is one reject, with its place and reason; it never ends the stage.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.alignment.imports.ctm import read_ctm
from lst_cli.alignment.imports.json_words import read_json_words
from lst_cli.alignment.imports.match_ids import IdMatcher
from lst_cli.alignment.imports.textgrid import read_textgrid
from lst_cli.alignment.imports.timed import TimedReader, TimedUtterance, TimedWord, on_one_line
from lst_cli.alignment.kinds import ALIGNMENT
from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.audio.layouts.listing import files_below
from lst_cli.console import warn
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMATS: dict[str, tuple[TimedReader, tuple[str, ...]]] = {
    "textgrid": (read_textgrid, (".textgrid",)),
    "ctm": (read_ctm, (".ctm",)),
    "json": (read_json_words, (".json", ".jsonl")),
}
"""TimedReader and file endings of each format."""

_WORDS_OF_A_SENTENCE = 4
"""White space in a label from which it is no compound such as ``New York``."""

_SLACK_S = 0.04
"""Words may overlap, or reach beyond the audio, by this much: rounding."""


@dataclass(frozen=True, kw_only=True)
class AlignmentImportOptions:
    """The options of ``lst align import``."""

    sources: Sequence[Path]
    """Files, or folders of files."""
    format: str | None
    """A key of :data:`FORMATS`; None to choose by the ending."""
    tokens: Artifact
    name: str
    max_reject_rate: float
    tier: str | None = None
    """The tier of words; None for the names in :data:`lst_cli.alignment.imports.textgrid.WORD_TIERS`."""


@dataclass(frozen=True)
class _File:
    path: Path
    names: tuple[str, ...]
    """Possible ids of the file, the likeliest first: its path below the given folder, and the ends of that path."""
    reader: TimedReader


def plan_import(options: AlignmentImportOptions) -> tuple[Request, Callable[[Draft], None]]:
    """Find the files, take their checksum, and return the request and the function that fills its draft.

    :raises UserError: a source is missing or holds no file of a known format.
    """
    if options.format is not None and options.format not in FORMATS:
        raise UserError(f"--format {options.format}: unknown format", expected=", ".join(FORMATS))
    files = [file for source in options.sources for file in _find(source, options.format)]
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(file.names[0]) + b"\0" + hashlib.sha256(_bytes(file.path)).digest())
    config = {
        "made_by": "import",
        "rules": 2,
        "format": options.format,
        "tier": options.tier,
        "files": len(files),
        "sha256": digest.hexdigest(),
    }
    request = Request(kind=ALIGNMENT, name=options.name, config=config, parents={"tokens": options.tokens})
    return request, lambda draft: make_import(draft, files, options)


def _bytes(path: Path) -> bytes:
    """The bytes of a file; none where it can't be read, which its reader will report."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _find(source: Path, format: str | None) -> list[_File]:
    if not source.exists():
        raise UserError(f"{source}: no such file or folder", fix="give the aligner's output")
    endings = {ending: name for name in ([format] if format else FORMATS) for ending in FORMATS[name][1]}
    if source.is_file():
        kind = format or endings.get(source.suffix.lower())
        if kind is None:
            raise UserError(f"{source}: unknown format", found=source.suffix, expected=", ".join(endings))
        return [_File(source, (source.stem,), FORMATS[kind][0])]
    paths = [path for path in files_below(source) if path.suffix.lower() in endings and path.is_file()]
    if not paths:
        raise UserError(
            f"{source}: no alignment files in this folder", expected=f"files ending in {', '.join(endings)}"
        )
    return [
        _File(path, _names(path.relative_to(source).with_suffix("")), FORMATS[endings[path.suffix.lower()]][0])
        for path in paths
    ]


def _names(path: Path) -> tuple[str, ...]:
    """``a/b/c``, ``b/c``, ``c``."""
    return tuple("/".join(path.parts[start:]) for start in range(len(path.parts)))


def make_import(draft: Draft, files: Sequence[_File], options: AlignmentImportOptions) -> None:
    """Align the words to the tokens and write the alignment.

    :raises UserError: too many utterances have no words.
    """
    from lst_cli.alignment.align_corpus import finish
    from lst_cli.alignment.shared_alignment import write_part
    from lst_cli.units.tokens import Tokens

    lengths = {id: len(units) for id, units in Tokens(options.tokens)}
    found, strange = _read(files, lengths, options.tier)
    damaged = [(name, problem) for name, problem in strange if problem is not None]
    if damaged:
        warn(f"{len(damaged)} files or lines that belong to no utterance are damaged, the first: {damaged[0][1]}")
    unknown = [name for name, problem in strange if problem is None]
    if unknown:
        warn(f"{len(unknown)} utterances of the files are not in {options.tokens.reference}, the first {unknown[0]!r}")
    rows = [_row(id, found.get(id), length) for id, length in lengths.items()]
    part = draft.parts / "imported.parquet"
    write_part(part, rows)
    finish(draft, [part], lengths, options.max_reject_rate, chars=False)
    # Listed, but not counted in the reject rate: they belong to no utterance of the tokens.
    for name, problem in damaged:
        draft.reject(name, problem)
    draft.statistics["not_in_tokens"] = len(unknown)


def _read(
    files: Sequence[_File], known: Iterable[str], tier: str | None
) -> tuple[dict[str, TimedUtterance], list[tuple[str, str | None]]]:
    """Utterances by their id in the tokens; and names that are not in the tokens, with faults of damaged ones."""
    matcher = IdMatcher(known)
    found: dict[str, TimedUtterance] = {}
    origin: dict[str, Path] = {}
    strange: list[tuple[str, str | None]] = []
    for file in files:
        for each in _utterances(file, tier):
            names = file.names if each.id is None else (each.id,)
            id = matcher.find(names)
            if id is None:
                strange.append((_printable(names[0]), each.problem))
            elif id not in found or (found[id].problem is not None and each.problem is None):
                if id in found:
                    strange.append((id, found[id].problem))
                found[id], origin[id] = each, file.path
            elif each.problem is not None:
                strange.append((id, each.problem))
            else:
                twice = f"{_printable(str(file.path))}: also in {_printable(str(origin[id]))}; give one of the two"
                found[id] = TimedUtterance(id, problem=twice)
    return found, strange


def _utterances(file: _File, tier: str | None) -> Iterator[TimedUtterance]:
    try:
        yield from file.reader(file.path, tier)
    except UserError as error:
        yield TimedUtterance(None, problem=_printable(on_one_line(error)))


def _printable(name: str) -> str:
    """A file name as text that can be stored: bytes that are not UTF-8 are replaced."""
    return name.encode("utf-8", "replace").decode()


def _row(id: str, found: TimedUtterance | None, tokens: int) -> dict[str, Any]:
    import numpy as np

    from lst_cli.alignment.spans import to_frames
    from lst_cli.alignment.words import Unalignable
    from lst_cli.units.frames import FRAME_SAMPLES, SAMPLE_RATE

    try:
        words = _checked(found, tokens * FRAME_SAMPLES / SAMPLE_RATE)
        edges_W2 = np.rint(np.array([[word.start_s, word.end_s] for word in words]) * SAMPLE_RATE).astype(np.int64)
        starts, ends = to_frames(edges_W2[:, 0], edges_W2[:, 1], tokens)
    except Unalignable as reason:
        return {"id": id, "reason": str(reason)}
    return {
        "id": id,
        "words": [word.text for word in words],
        "starts": starts,
        "ends": ends,
        "scores": [word.score for word in words],
    }


def _checked(found: TimedUtterance | None, seconds: float) -> list[TimedWord]:
    """The words, or :class:`Unalignable` where they can't be those of an utterance of this many seconds."""
    from lst_cli.alignment.words import Unalignable

    if found is None:
        raise Unalignable("not in the files")
    if found.problem is not None:
        raise Unalignable(found.problem)
    if not found.words:
        raise Unalignable("no words in the files")
    free = 0.0
    for word in found.words:
        if not (math.isfinite(word.start_s) and math.isfinite(word.end_s)) or word.end_s < word.start_s:
            raise Unalignable(f"the word {word.text!r} lasts from {word.start_s:g} s to {word.end_s:g} s")
        if word.start_s < -_SLACK_S:
            raise Unalignable(f"the word {word.text!r} starts at {word.start_s:g} s, before the audio")
        if word.text.count(" ") >= _WORDS_OF_A_SENTENCE:
            raise Unalignable(
                f"{word.text[:60]!r} from {word.start_s:g} s to {word.end_s:g} s is a sentence, not a word"
            )
        if word.start_s < free - _SLACK_S:
            raise Unalignable(f"the word {word.text!r} starts at {word.start_s:g} s, before the previous word ends")
        free = word.end_s
    # The last frame of audio may be too short for a token.
    if free > seconds + 2 * _SLACK_S:
        raise Unalignable(f"the last word ends at {free:g} s, the audio at {seconds:g} s: of another recording?")
    return found.words
