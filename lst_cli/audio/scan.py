"""The first pass over the entries of a source: its files and duplicate ids, in little memory."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from lst_cli.audio.layouts import Entry
from lst_cli.audio.layouts.listing import find_file


@dataclass(frozen=True)
class Scan:
    """The result of the first pass."""

    entries: int
    files: dict[str, int]
    """Number of every distinct file, in order of first mention."""
    packed: dict[str, int]
    """The same for files that hold the audio of many utterances."""
    twice: dict[str, list[str]]
    """The ids that are used more than once, and where."""


def scan_entries(entries: Iterable[Entry]) -> Scan:
    """Go through all entries once; through them again if an id is used twice."""
    files: dict[str, int] = {}
    packed: dict[str, int] = {}
    ids, count = array("Q"), 0
    for entry in with_plain_names(entries):
        count += 1
        if entry.problem is None:
            ids.append(_digest(entry.id))
            (files if entry.row is None else packed).setdefault(
                str(entry.path), len(files if entry.row is None else packed)
            )
    # Eight bytes an id: a million strings would take more memory than all else.
    sorted_ids = np.sort(np.frombuffer(ids, dtype=np.uint64)) if ids else np.zeros(0, np.uint64)
    repeated = set(sorted_ids[1:][sorted_ids[1:] == sorted_ids[:-1]].tolist())
    twice: dict[str, list[str]] = {}
    if repeated:
        for entry in with_plain_names(entries):
            if entry.problem is None and _digest(entry.id) in repeated:
                twice.setdefault(entry.id, []).append(str(entry.path))
    return Scan(count, files, packed, {id: places for id, places in twice.items() if len(places) > 1})


def checked(entries: Iterable[Entry], scan: Scan) -> Iterator[Entry]:
    """The entries; those with a duplicate id are marked, since the id is ambiguous."""
    for entry in with_plain_names(entries):
        places = scan.twice.get(entry.id)
        if places is None or entry.problem is not None:
            yield entry
        else:
            shown = ", ".join(places[:3])
            yield replace(
                entry, problem=f"the id {entry.id!r} is used {len(places)} times ({shown}); give each its own"
            )


def with_plain_names(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries with the names of their files on disk; names that are not UTF-8 are rejected."""
    for entry in entries:
        name = f"{entry.id}{entry.path}"
        if name.isascii():
            yield entry
            continue
        try:
            name.encode()
        except UnicodeEncodeError:
            id = entry.id.encode("utf-8", "backslashreplace").decode()
            yield replace(entry, id=id, problem=f"{id}: the file's name is not UTF-8; rename it")
        else:
            yield replace(entry, path=find_file(entry.path))


def _digest(id: str) -> int:
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little")
