"""lhotse's cuts (``cuts.jsonl`` or ``cuts.jsonl.gz``), read as the JSON they are: lhotse itself is not needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lst_cli.audio.layouts.listing import CorpusLayout, Entry, Listing, one_line, same_name
from lst_cli.audio.layouts.table_rows import first_object, json_rows
from lst_cli.errors import UserError
from lst_cli.storage.bucket_path import AnyPath, BucketPath, bucket_path
from lst_cli.storage.remote import is_url

_OVERLAP_S = 0.1
"""Two speakers may overlap by so much: the times of supervisions are rounded."""


def read_cuts(path: AnyPath, with_text: bool) -> Listing:
    """List the cuts of a file in their order. Only a cut of plain recorded audio can be used.

    Audio is named by a URL or a path. A relative path is looked up next to the cuts, then, as lhotse does, in the
    current folder.

    :raises UserError: the file can't be read.
    """
    return Listing(entries=_Cuts(path, with_text), documents=[path])


@dataclass(frozen=True)
class _Cuts:
    """The cuts of a file, read again by each iteration."""

    path: AnyPath
    with_text: bool

    def __iter__(self) -> Iterator[Entry]:
        for where, cut in json_rows(self.path):
            if isinstance(cut, str):
                yield Entry(id=where.rpartition(", ")[2], path=self.path, problem=f"{where}: {cut}")
                continue
            try:
                yield _mono_cut(self.path, where, cut, self.with_text)
            except UserError as error:
                yield Entry(id=str(cut.get("id", where)), path=self.path, problem=f"{where}: {error.what}; {error.fix}")
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                problem = f"{where}: not a cut as lhotse writes them ({error!r}); write the cuts again with lhotse"
                yield Entry(id=str(cut.get("id", where)), path=self.path, problem=problem)


def _mono_cut(path: AnyPath, where: str, cut: Mapping[str, Any], with_text: bool) -> Entry:
    start, duration = _seconds(cut, "start"), _seconds(cut, "duration")
    supervisions = [part for part in cut.get("supervisions") or () if part.get("text")]
    own = sorted((part for part in supervisions if _is_own(part, duration)), key=lambda part: part.get("start", 0.0))
    text = one_line(" ".join(_string(part, "text") for part in own)) or None
    speakers = {_string(part, "speaker") for part in own if part.get("speaker")}
    audio, channel, problem = _audio(cut)
    if start < 0 or duration <= 0:
        problem = f"it starts at {start:g} s and is {duration:g} s long; write the cuts again with lhotse"
    elif with_text and problem is None:
        problem = _text_problem(text, own, supervisions)
    id = str(where if cut.get("id") is None else cut["id"])
    f"{text}{id}{audio}".encode()  # a lone surrogate can't be stored as text
    return Entry(
        id=same_name(id),
        path=_find(path.parent, audio),
        text=text if with_text else None,
        speaker=speakers.pop() if len(speakers) == 1 else None,
        start_s=max(start, 0.0),
        end_s=start + duration,
        channel=channel,
        problem=None if problem is None else f"{where}: {problem}",
    )


def _seconds(row: Mapping[str, Any], name: str) -> float:
    value = float(row.get(name, 0.0))
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return value


def _string(row: Mapping[str, Any], name: str) -> str:
    if not isinstance(row[name], str):
        raise TypeError(f"{name} is {row[name]!r}")
    return str(row[name])


def _is_own(supervision: Mapping[str, Any], duration: float) -> bool:
    """Whether the text of a supervision belongs to a cut ``[0, duration)``: to the one that has most of it.

    Of two halves, the first one. Neighbouring cuts share a supervision that reaches from one into the other.
    """
    start, length = _seconds(supervision, "start"), _seconds(supervision, "duration")
    if length <= 0:
        return True
    inside = min(duration, start + length) - max(0.0, start)
    return 2 * inside > length or (2 * inside == length and start >= 0)


def _text_problem(
    text: str | None, own: Sequence[Mapping[str, Any]], supervisions: Sequence[Mapping[str, Any]]
) -> str | None:
    if text is None:
        if supervisions:
            return "most of its text is spoken outside of it; cut at supervisions with trim_to_supervisions()"
        return "no text in its supervisions; add the corpus with --no-text"
    for one, other in pairwise(own):
        overlap = _seconds(one, "start") + _seconds(one, "duration") - _seconds(other, "start")
        overlap = min(overlap, _seconds(other, "duration"))
        speakers = (one.get("speaker"), other.get("speaker"))
        if overlap > _OVERLAP_S and speakers[0] != speakers[1]:
            names = " and ".join(str(each) for each in speakers)
            return f"{names} speak at the same time ({overlap:.2f} s); cut at supervisions with trim_to_supervisions()"
    return None


def _audio(cut: Mapping[str, Any]) -> tuple[str, int | None, str | None]:
    """The cut's audio file, its channel in it (None if there is one only), and why it can't be used unchanged."""
    recording = cut.get("recording") or {}
    if cut.get("type") != "MonoCut" or not recording:
        kind = cut.get("type", "something without a type")
        return "", None, f"{kind}, not a MonoCut with a recording; write it with lhotse's CutSet.save_audios() first"
    if recording.get("transforms"):
        problem = "its recording is transformed when it is read; write it with lhotse's CutSet.save_audios() first"
        return "", None, problem
    for source in recording.get("sources", ()):
        channels = list(source["channels"])
        if cut.get("channel", 0) in channels:
            if source["type"] != "file" and not is_url(_string(source, "source")):
                kind = source["type"]
                return "", None, f"its audio is a {kind}, not a file; write it with CutSet.save_audios() first"
            channel = channels.index(cut.get("channel", 0)) if len(channels) > 1 else None
            return _string(source, "source"), channel, None
    return "", None, "its recording has no source for its channel; write the cuts again with lhotse"


def _find(folder: AnyPath, audio: str) -> AnyPath:
    if is_url(audio):
        return bucket_path(audio, folder)
    beside = folder / audio
    return beside if isinstance(beside, BucketPath) or beside.exists() else Path(audio).absolute()


def is_cuts(source: AnyPath) -> bool:
    """Whether the first line of a file that can be read is one of lhotse's cuts."""
    if not source.is_file() or not source.name.lower().endswith((".jsonl", ".jsonl.gz")):
        return False
    try:
        first = first_object(json_rows(source))
    except UserError:
        return False
    return str(first.get("type", "")).endswith("Cut")


LHOTSE = CorpusLayout(
    name="lhotse",
    about="lhotse cuts, .jsonl or .jsonl.gz",
    recognises=lambda source, files: is_cuts(source),
    read=read_cuts,
)
