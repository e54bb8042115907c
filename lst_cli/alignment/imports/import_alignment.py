"""``lst align import``: word times from other aligners become an alignment of speech tokens."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.alignment.imports.ctm import read_ctm
from lst_cli.alignment.imports.json_words import read_json_words
from lst_cli.alignment.imports.textgrid import read_textgrid
from lst_cli.alignment.imports.timed import TimedReader, TimedWord
from lst_cli.alignment.kinds import ALIGNMENT
from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.console import warn
from lst_cli.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Container

FORMATS: dict[str, tuple[TimedReader, tuple[str, ...]]] = {
    "textgrid": (read_textgrid, (".textgrid",)),
    "ctm": (read_ctm, (".ctm",)),
    "json": (read_json_words, (".json", ".jsonl")),
}
"""Reader and file endings of each format."""

_SLACK_S = 0.04
"""Words may overlap, or reach beyond the audio, by this much: rounding."""


@dataclass(frozen=True, kw_only=True)
class AlignmentImportOptions:
    """What ``lst align import`` was asked for."""

    sources: Sequence[Path]
    """Files, or folders of files."""
    format: str | None
    """A key of :data:`FORMATS`; None to tell by the ending."""
    tokens: Artifact
    name: str
    max_reject_rate: float


@dataclass(frozen=True)
class _File:
    path: Path
    names: tuple[str, ...]
    """Ids that the file may stand for, the likeliest first: its path below the folder given, its own name."""
    reader: TimedReader


def plan_import(options: AlignmentImportOptions) -> tuple[Request, Callable[[Draft], None]]:
    """Find the files, take their sum, and say what is to be built and how.

    :raises UserError: a source is missing or holds no file of a known format.
    """
    if options.format is not None and options.format not in FORMATS:
        raise UserError(f"--format {options.format}: not known", expected=", ".join(FORMATS))
    files = [file for source in options.sources for file in _find(source, options.format)]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.names[0].encode() + b"\0" + hashlib.sha256(file.path.read_bytes()).digest())
    config = {"made_by": "import", "format": options.format, "files": len(files), "sha256": digest.hexdigest()}
    request = Request(kind=ALIGNMENT, name=options.name, config=config, parents={"tokens": options.tokens})
    return request, lambda draft: make_import(draft, files, options)


def _find(source: Path, format: str | None) -> list[_File]:
    if not source.exists():
        raise UserError(f"{source}: no such file or folder", fix="give the aligner's output")
    endings = {ending: name for name in ([format] if format else FORMATS) for ending in FORMATS[name][1]}
    if source.is_file():
        kind = format or endings.get(source.suffix.lower())
        if kind is None:
            raise UserError(f"{source}: of no known format", found=source.suffix, expected=", ".join(endings))
        return [_File(source, (source.stem,), FORMATS[kind][0])]
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in endings and path.is_file())
    if not paths:
        raise UserError(f"{source}: no alignment files in it", expected=f"files ending in {', '.join(endings)}")
    return [
        _File(
            path,
            (path.relative_to(source).with_suffix("").as_posix(), path.stem),
            FORMATS[endings[path.suffix.lower()]][0],
        )
        for path in paths
    ]


def make_import(draft: Draft, files: Sequence[_File], options: AlignmentImportOptions) -> None:
    """Lay the words over the tokens and write the alignment.

    :raises UserError: a file is damaged, two files are for one utterance, or too many utterances have no words.
    """
    from lst_cli.alignment.align_corpus import finish, write_part
    from lst_cli.units.tokens import Tokens

    lengths = {id: len(units) for id, units in Tokens(options.tokens)}
    found, strange = _read(files, lengths)
    if strange:
        warn(f"{len(strange)} utterances of the files are not in {options.tokens.reference}, the first {strange[0]!r}")
    rows = [_row(id, found.get(id), length) for id, length in lengths.items()]
    part = draft.parts / "imported.parquet"
    write_part(part, rows)
    finish(draft, [part], lengths, options.max_reject_rate)
    draft.statistics["not_in_tokens"] = len(strange)


def _read(files: Sequence[_File], known: Container[str]) -> tuple[dict[str, list[TimedWord]], list[str]]:
    """Words by utterance, and ids that the tokens lack."""
    found: dict[str, list[TimedWord]] = {}
    origin: dict[str, Path] = {}
    strange: list[str] = []
    for file in files:
        for own, words in file.reader(file.path).items():
            names = file.names if own is None else (own,)
            id = next((name for name in names if name in known), None)
            if id is None:
                strange.append(names[0])
                continue
            if id in found:
                raise UserError(f"{file.path}: the utterance {id!r} is also in {origin[id]}", fix="give one of the two")
            found[id], origin[id] = words, file.path
    return found, strange


def _row(id: str, words: list[TimedWord] | None, tokens: int) -> dict[str, Any]:
    import numpy as np

    from lst_cli.alignment.spans import to_frames
    from lst_cli.alignment.words import Unalignable
    from lst_cli.units.frames import FRAME_SAMPLES, SAMPLE_RATE

    try:
        _check(words, tokens * FRAME_SAMPLES / SAMPLE_RATE)
        assert words is not None
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


def _check(words: list[TimedWord] | None, seconds: float) -> None:
    """Raise :class:`Unalignable` where the words can't be those of an utterance of so many seconds."""
    from lst_cli.alignment.words import Unalignable

    if not words:
        raise Unalignable("no words in the files" if words is not None else "not in the files")
    free = 0.0
    for word in words:
        if not (math.isfinite(word.start_s) and math.isfinite(word.end_s)) or word.end_s < word.start_s:
            raise Unalignable(f"the word {word.text!r} lasts from {word.start_s:g} s to {word.end_s:g} s")
        if word.start_s < free - _SLACK_S:
            raise Unalignable(f"the word {word.text!r} begins at {word.start_s:g} s, before the one before it ends")
        free = word.end_s
    # The last frame of audio may be too short for a token.
    if free > seconds + 2 * _SLACK_S:
        raise Unalignable(f"the last word ends at {free:g} s, the audio at {seconds:g} s: of another recording?")
