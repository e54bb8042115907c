"""``lst corpus add``: check the audio that a source lists, and write a corpus that points at it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lst_cli.artifacts import Draft, Request
from lst_cli.audio.corpus_artifact import CORPUS, AudioSegment, write_utterances
from lst_cli.audio.inspect import AudioFacts, for_each_file, inspect_audio, sha256
from lst_cli.audio.layouts import Entry, Listing, choose_layout
from lst_cli.console import warn
from lst_cli.errors import UserError

_OVERRUN_S = 0.02
"""A segment may end this many seconds after its file does (rounded times); it is cut to the file."""

_FILES_IN_A_PART = 2000


@dataclass(frozen=True, kw_only=True)
class AddOptions:
    """What ``lst corpus add`` was asked for."""

    source: Path
    name: str
    layout: str | None = None
    """Name of the layout; None to recognise it."""
    with_text: bool = True
    """Demand transcripts where the layout has them."""
    max_reject_rate: float = 0.01
    workers: int = 2
    """Threads that sum and decode."""


def plan_corpus(options: AddOptions) -> tuple[Request, Callable[[Draft], None]]:
    """List the source, take the sum of every file, and say what is to be built and how.

    :raises UserError: the source is missing, empty, or in no known layout.
    """
    source = options.source.resolve()
    layout = choose_layout(source, options.layout)
    listing = layout.read(source, options.with_text)
    if not listing.entries:
        raise UserError(
            f"{options.source}: no audio in it", found="nothing to add", expected=f"{layout.name}: {layout.about}"
        )
    for note in listing.notes:
        warn(note)
    files = [entry.path for entry in listing.entries] + listing.documents
    sums = for_each_file("sums", files, sha256, options.workers)
    config = {
        "made_by": "add",
        "source": str(source),
        "layout": layout.name,
        "with_text": options.with_text,
        "files": len(sums),
        "sha256": _digest(source, sums),
    }
    request = Request(kind=CORPUS, name=options.name, config=config)
    return request, lambda draft: make_corpus(draft, listing, options)


def _digest(source: Path, sums: Mapping[Path, str]) -> str:
    """One sum over the names and contents of all files."""
    folder = source if source.is_dir() else source.parent
    lines = sorted(f"{os.path.relpath(path, folder)}\0{digest}\n" for path, digest in sums.items())
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def make_corpus(draft: Draft, listing: Listing, options: AddOptions) -> None:
    """Decode every file once, reject what is unsound, write the rest."""
    entries = reject_duplicates([_with_plain_name(entry) for entry in listing.entries])
    sound = [entry for entry in entries if entry.problem is None]
    facts = _inspect_in_parts(draft, [entry.path for entry in sound if entry.row is None], options.workers)
    unpacked = _unpack(draft, [entry.path for entry in sound if entry.row is not None], options.workers)
    rows = []
    for entry in entries:
        place: AudioSegment | str
        if entry.problem is not None:
            place = entry.problem
        elif entry.row is not None:
            place = unpacked[entry.path][entry.row]
        else:
            place = _stretch(entry, facts[entry.path])
        if isinstance(place, str):
            draft.reject(entry.id, place)
        else:
            about = {"id": entry.id, "speaker": entry.speaker, "source": entry.source or options.name}
            rows.append({**about, "text": entry.text, **place._asdict()})
    draft.check_rejects(len(entries), options.max_reject_rate)
    write_utterances(draft.path, rows)
    draft.statistics.update(summarise(rows))


def _with_plain_name(entry: Entry) -> Entry:
    """Reject an entry whose file name is not UTF-8, and write its name so that it can be listed."""
    try:
        f"{entry.id}{entry.path}".encode()
    except UnicodeEncodeError:
        id = entry.id.encode("utf-8", "backslashreplace").decode()
        return replace(entry, id=id, problem=f"{id}: the file's name is not UTF-8; rename it")
    return entry


def reject_duplicates(entries: Sequence[Entry]) -> list[Entry]:
    """Mark every entry whose id another one has too: nobody can tell which is meant."""
    places: dict[str, list[str]] = {}
    for entry in entries:
        places.setdefault(entry.id, []).append(str(entry.path))
    return [_as_duplicate(entry, places[entry.id]) if len(places[entry.id]) > 1 else entry for entry in entries]


def _as_duplicate(entry: Entry, paths: Sequence[str]) -> Entry:
    problem = f"the id {entry.id!r} is used {len(paths)} times ({', '.join(paths[:3])}); give each its own"
    return replace(entry, problem=entry.problem or problem)


def _unpack(draft: Draft, files: Iterable[Path], workers: int) -> dict[Path, list[AudioSegment | str]]:
    """Take the audio out of Parquet files and into the draft; files unpacked before a crash are kept."""
    from lst_cli.audio.unpack import unpack_file

    number = {path: n for n, path in enumerate(dict.fromkeys(files))}
    found = for_each_file(
        "unpack audio", number, lambda path: unpack_file(path, draft.parts, f"audio-{number[path]:05d}"), workers
    )
    for rows in found.values():
        for file in sorted({row.path for row in rows if not isinstance(row, str)}):
            draft.take(draft.parts / file)
    return found


def _inspect_in_parts(draft: Draft, files: Iterable[Path], workers: int) -> dict[Path, AudioFacts]:
    """Inspect the files; what was inspected before a crash is not decoded again."""
    import json

    from lst_cli.artifacts.parquet import write_bytes_atomic

    paths = list(dict.fromkeys(files))
    facts: dict[Path, AudioFacts] = {}
    for start in range(0, len(paths), _FILES_IN_A_PART):
        some = paths[start : start + _FILES_IN_A_PART]
        part = draft.parts / f"facts-{start:09d}.json"
        if not part.is_file():
            found = for_each_file("check audio", some, inspect_audio, workers)
            write_bytes_atomic(part, json.dumps([asdict(found[path]) for path in some]).encode())
        facts.update(zip(some, (AudioFacts(**fact) for fact in json.loads(part.read_bytes())), strict=True))
    return facts


def _stretch(entry: Entry, facts: AudioFacts) -> AudioSegment | str:
    """Where an entry lies in its file, or why it does not."""
    if facts.problem is not None:
        return facts.problem
    rate = facts.sample_rate
    start = round(entry.start_s * rate)
    end = facts.samples if entry.end_s is None else round(entry.end_s * rate)
    if start >= facts.samples or end > facts.samples + _OVERRUN_S * rate:
        asked = f"{entry.start_s:g} s to {'its end' if entry.end_s is None else f'{entry.end_s:g} s'}"
        return f"{entry.path}: no audio from {asked}, for it ends at {facts.samples / rate:.3f} s; mend the times"
    if end <= start:
        return f"{entry.path}: the segment from {entry.start_s:g} s holds no sample; mend the times"
    return AudioSegment(str(entry.path), start, min(end, facts.samples) - start, rate)


def summarise(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of a corpus for its manifest."""
    rows = list(rows)
    rates = Counter(row["sample_rate"] for row in rows)
    return {
        "utterances": len(rows),
        "hours": sum(row["samples"] / row["sample_rate"] for row in rows) / 3600,
        "speakers": len({row["speaker"] for row in rows} - {None}),
        "with_text": sum(row["text"] is not None for row in rows),
        "sample_rates": {str(rate): count for rate, count in sorted(rates.items())},
    }
