"""``lst corpus add``: check the audio that a source lists, and write a corpus that points at it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lst_cli.artifacts import Draft, Request
from lst_cli.audio.corpus_artifact import CORPUS, AudioSegment, write_utterances
from lst_cli.audio.facts import FactTable, SharedInspection
from lst_cli.audio.inspect import content_mark, in_threads, inspect_audio
from lst_cli.audio.layouts import Entry, Listing, choose_layout
from lst_cli.audio.scan import Scan, checked, scan_entries
from lst_cli.audio.unpack import SharedUnpacking
from lst_cli.console import warn
from lst_cli.distributed.launcher import Rank
from lst_cli.distributed.shared_work import SharedParts
from lst_cli.errors import UserError
from lst_cli.storage.bucket_listing import BucketListing
from lst_cli.storage.bucket_path import AnyPath, BucketPath
from lst_cli.storage.remote import is_url

_OVERRUN_S = 0.5
"""A segment that ends less than this many seconds after its file does (times are rounded) is truncated to the file."""

_WHOLE_S = 0.1
"""A segment as long as its row's audio, to within this, is that audio: the times are those in a longer recording."""

_DECODER = 2
"""Incremented when the same bytes are read as other samples, so that corpora are made anew."""


@dataclass(frozen=True, kw_only=True)
class AddOptions:
    """The options of ``lst corpus add``."""

    source: AnyPath
    """A folder or manifest, on a disk or in a bucket."""
    name: str
    layout: str | None = None
    """Name of the layout; None to recognise it."""
    with_text: bool = True
    """Require transcripts where the layout has them."""
    max_reject_rate: float = 0.01
    workers: int = 2
    """Threads that take checksums and decode."""


@dataclass(frozen=True, kw_only=True)
class SourceOfCorpus:
    """A source that was listed, with the corpus that is to be made of it by any number of ranks."""

    options: AddOptions
    request: Request
    listing: Listing
    scan: Scan
    objects: BucketListing
    """What is known of the audio that is in buckets."""

    @classmethod
    def read(cls, options: AddOptions) -> SourceOfCorpus:
        """List the source, and take the checksum of every file on a disk.

        :raises UserError: the source is missing, empty, or in no known layout.
        :raises LstError: the store of a bucket can't be reached, or refuses access.
        """
        source = options.source.resolve()
        layout = choose_layout(source, options.layout)
        listing = layout.read(source, options.with_text)
        scan = scan_entries(listing.entries)
        if not scan.entries:
            raise UserError(
                f"{options.source}: no audio in this source",
                found="nothing to add",
                expected=f"{layout.name}: {layout.about}",
            )
        for note in listing.notes:
            warn(note)
        objects = source.listing if isinstance(source, BucketPath) and source.listing else BucketListing()
        objects.look_up(filter(is_url, [*scan.files, *scan.packed]))
        found = [_path(text, objects) for text in (*scan.files, *scan.packed)]
        files = list(dict.fromkeys([*found, *listing.documents]))
        config = {
            "made_by": "add",
            "source": str(source),
            "layout": layout.name,
            "with_text": options.with_text,
            "decoder": _DECODER,
            "files": len(files),
            "sha256": _digest(source, files, options.workers),
        }
        request = Request(kind=CORPUS, name=options.name, config=config)
        return cls(options=options, request=request, listing=listing, scan=scan, objects=objects)

    def plan(self, rank: Rank) -> tuple[Request, Callable[[Draft], None]]:
        """The arguments of :meth:`lst_cli.artifacts.Store.build`, on rank 0 (or alone)."""
        return self.request, lambda draft: self._make(draft, SharedParts(rank, draft.parts))

    def share(self, parts: SharedParts) -> None:
        """The work of a rank other than 0: decode until nothing is missing."""
        self._inspection(parts).run()
        if not parts.finished():
            self._unpacking(parts).run()

    def _inspection(self, parts: SharedParts) -> SharedInspection:
        files = [_path(text, self.objects) for text in self.scan.files]
        return SharedInspection(files, inspect_audio, self.options.workers, parts)

    def _unpacking(self, parts: SharedParts) -> SharedUnpacking:
        files = [_path(text, self.objects) for text in self.scan.packed]
        return SharedUnpacking(files, self.options.workers, parts)

    def _make(self, draft: Draft, parts: SharedParts) -> None:
        """Decode every file once, reject faulty utterances, write the rest."""
        inspection, unpacking = self._inspection(parts), self._unpacking(parts)
        inspection.run()
        unpacking.run()
        places = AudioPlaces(self.scan, self.objects, inspection.facts(), *unpacking.taken(draft))
        summary = Summary()

        def rows() -> Iterator[dict[str, Any]]:
            for entry in checked(self.listing.entries, self.scan):
                place = entry.problem or places.of(entry)
                if isinstance(place, str):
                    draft.reject(entry.id, place)
                    continue
                about = {"id": entry.id, "speaker": entry.speaker, "source": entry.source or self.options.name}
                yield summary.count({**about, "text": entry.text, **place._asdict()})

        write_utterances(draft.path, rows())
        draft.check_rejects(self.scan.entries, self.options.max_reject_rate)
        for note in places.notes():
            warn(note)
        draft.statistics.update(summary.figures())


def _path(text: str, objects: BucketListing) -> AnyPath:
    return BucketPath(text, listing=objects) if is_url(text) else Path(text)


def _digest(source: AnyPath, files: Sequence[AnyPath], workers: int) -> str:
    """One checksum over the names and contents of all files."""
    folder = source if source.is_dir() else source.parent
    marks = in_threads("checksums", files, content_mark, workers)
    digests = [bytes.fromhex(each) if each != "absent" else b"" for each in marks]
    names = [os.path.relpath(path, str(folder)) if isinstance(path, Path) else path.url for path in files]
    whole = hashlib.sha256()
    for number in sorted(range(len(names)), key=names.__getitem__):
        line = f"{names[number]}\0{digests[number].hex() or 'absent'}\n"
        whole.update(line.encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


@dataclass
class AudioPlaces:
    """Finds the position of an entry's samples, or why there are none."""

    scan: Scan
    objects: BucketListing
    facts: FactTable
    unpacked: Sequence[Sequence[AudioSegment | str]]
    unpacked_notes: Sequence[str]
    overruns: list[float] = field(default_factory=list)
    """Seconds by which segments end after their files do."""

    def of(self, entry: Entry) -> AudioSegment | str:
        """The samples of an entry."""
        if entry.row is not None:
            row = self.unpacked[self.scan.packed[str(entry.path)]][entry.row]
            if isinstance(row, str) or (entry.end_s is None and not entry.start_s):
                return row
            where = f"{entry.path}, row {entry.row}"
            seconds = row.samples / row.sample_rate
            if entry.end_s is not None and abs(entry.end_s - entry.start_s - seconds) <= _WHOLE_S:
                return row
            span = self._span(where, entry, row.samples, row.sample_rate)
            return span if isinstance(span, str) else row._replace(offset=row.offset + span[0], samples=span[1])
        facts = self.facts[self.scan.files[str(entry.path)]]
        if facts.problem is not None:
            return facts.problem
        span = self._span(str(entry.path), entry, facts.samples, facts.sample_rate)
        if isinstance(span, str):
            return span
        channel = facts.channel if entry.channel is None else entry.channel
        known = _path(str(entry.path), self.objects)
        listed = known.facts() if isinstance(known, BucketPath) else (None, None)
        return AudioSegment(str(entry.path), *span, facts.sample_rate, channel, facts.gain, *listed)

    def _span(self, where: str, entry: Entry, samples: int, rate: int) -> tuple[int, int] | str:
        """First sample and number of samples of an entry in a recording, or why it has none."""
        length = samples / rate
        end_s = length if entry.end_s is None else entry.end_s
        start = round(min(entry.start_s, length) * rate)
        if start >= samples or end_s >= length + _OVERRUN_S:
            asked = f"{entry.start_s:g} s to {'its end' if entry.end_s is None else f'{entry.end_s:g} s'}"
            return f"{where}: no audio from {asked}, it ends at {length:.3f} s; correct the times"
        end = round(end_s * rate)
        if end <= start:
            return f"{where}: the segment from {entry.start_s:g} s holds no sample; correct the times"
        if end > samples:
            self.overruns.append(end_s - length)
        return start, min(end, samples) - start

    def notes(self) -> Iterator[str]:
        """The corrections and their counts."""
        paths = list(self.scan.files)
        for note, numbers in self.facts.notes().items():
            yield f"{len(numbers):,} recordings ({paths[numbers[0]]}, …): {note}"
        for note, count in Counter(note.partition(": ")[2] for note in self.unpacked_notes).items():
            yield f"{count:,} rows: {note}"
        if self.overruns and max(self.overruns) > 0.02:
            most = f"{max(self.overruns):.2f} s"
            yield f"{len(self.overruns):,} segments end up to {most} after their files do; they were cut to the files"


class Summary:
    """Figures of a corpus for its manifest, counted row by row."""

    def __init__(self) -> None:
        self._utterances = self._with_text = 0
        self._seconds = 0.0
        self._speakers: set[str | None] = set()
        self._rates: Counter[int] = Counter()

    def count(self, row: dict[str, Any]) -> dict[str, Any]:
        """Count a row, and give it back."""
        self._utterances += 1
        self._with_text += row["text"] is not None
        self._seconds += row["samples"] / row["sample_rate"]
        self._speakers.add(row["speaker"])
        self._rates[row["sample_rate"]] += 1
        return row

    def figures(self) -> dict[str, Any]:
        """The figures."""
        return {
            "utterances": self._utterances,
            "hours": self._seconds / 3600,
            "speakers": len(self._speakers - {None}),
            "with_text": self._with_text,
            "sample_rates": {str(rate): count for rate, count in sorted(self._rates.items())},
        }


def summarise(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of a corpus for its manifest."""
    summary = Summary()
    for row in rows:
        summary.count(dict(row))
    return summary.figures()
