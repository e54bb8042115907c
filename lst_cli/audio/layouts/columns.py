"""Which columns of a table say what: the names that data sets use, and what their values mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lst_cli.audio.layouts.listing import one_line, same_name
from lst_cli.storage.bucket_path import AnyPath

PATH_COLUMNS = (
    *("path", "audio_filepath", "file_name", "audio_path", "audio_file", "wav_filename", "wav_path", "wav", "filepath"),
    *("filename", "audio"),
)
TEXT_COLUMNS = (
    *("text", "transcript", "transcription", "sentence", "normalized_text", "normalized_transcription", "raw_text"),
    *("raw_transcription", "utterance", "words"),
)
_SPEAKER_COLUMNS = ("speaker", "speaker_id", "client_id", "spk", "speaker_name")
_ID_COLUMNS = ("id", "utterance_id", "utt_id", "segment_id", "file_id")
_START_COLUMNS = (
    "start",
    "offset",
    "start_time",
    "begin_time",
    "begin",
    "start_s",
    "start_ms",
    "offset_ms",
    "begin_ms",
)
_END_COLUMNS = ("end", "end_time", "stop", "end_s", "end_ms", "stop_ms")
_DURATION_COLUMNS = ("duration", "dur", "duration_s", "length_s", "duration_ms", "dur_ms")
_MILLISECONDS = "_ms"
"""Ending of columns in milliseconds; all others are in seconds."""
_CHANNEL_COLUMNS = ("channel", "channel_id")
_SECONDS_SLACK = 0.05
"""Start, end and duration may disagree by this much: they are rounded."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are read; None for what it does not have."""

    path: str | None
    text: str | None
    id: str | None
    speaker: str | None
    source: str | None
    starts: tuple[str, ...]
    end: str | None
    duration: str | None
    channel: str | None
    """Not read; a note says so."""

    @property
    def read(self) -> list[str]:
        """Names of all columns that are read."""
        named = (self.path, self.text, self.id, self.speaker, self.source, *self.starts, self.end, self.duration)
        return [name for name in named if name is not None]


def find_columns(names: Iterable[str], *, ids: Sequence[str] = _ID_COLUMNS) -> Columns:
    """Find the columns by their names, in any case of letters; the earlier of two names for one thing is taken."""
    present = {name.strip().lower(): name for name in reversed(list(names)) if isinstance(name, str)}

    def first(known: Sequence[str]) -> str | None:
        return next((present[name] for name in known if name in present), None)

    return Columns(
        path=first(PATH_COLUMNS),
        text=first(TEXT_COLUMNS),
        id=first(ids),
        speaker=first(_SPEAKER_COLUMNS),
        source=first(("source",)),
        starts=tuple(present[name] for name in _START_COLUMNS if name in present),
        end=first(_END_COLUMNS),
        duration=first(_DURATION_COLUMNS),
        channel=first(_CHANNEL_COLUMNS),
    )


_READ = frozenset(
    (
        *(*PATH_COLUMNS, *TEXT_COLUMNS, *_SPEAKER_COLUMNS, *_ID_COLUMNS, "source"),
        *(*_START_COLUMNS, *_END_COLUMNS, *_DURATION_COLUMNS),
    )
)


def repeated_column(names: Iterable[str]) -> str | None:
    """The first of the columns that are read whose name occurs twice, in any case of letters; None if none does."""
    plain = [name.strip().lower() for name in names]
    return next((name for number, name in enumerate(plain) if name in _READ and name in plain[:number]), None)


def notes_on(where: AnyPath, names: Sequence[str], columns: Columns, with_text: bool) -> list[str]:
    """Notes on what a table does not have, or is not read."""
    notes = [no_text_note(where, names)] if names and with_text and columns.text is None else []
    if columns.channel is not None:
        notes.append(
            f"{where}: the column {columns.channel!r} is not read: an utterance is the mean of its file's channels; "
            f"write each channel to a file of its own if they hold different speech"
        )
    return notes


def no_text_note(where: AnyPath, names: Iterable[str]) -> str:
    """The note about a table without text."""
    return (
        f"{where}: no column with transcripts among {', '.join(sorted(names)) or 'no columns'}; the corpus has no text "
        f"(read as text: {', '.join(TEXT_COLUMNS)})"
    )


class RowReader:
    """Extracts the values of one row; their faults are in :attr:`problems`."""

    def __init__(self, columns: Columns, row: Mapping[str, Any]) -> None:
        self._columns = columns
        self._row = row
        self.problems: list[str] = []

    def string(self, column: str | None) -> str | None:
        """A text on one line; None if there is none, as with a NaN of a table of numbers."""
        value = None if column is None else self._row.get(column)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            self.problems.append(f"{column} is {str(value)[:60]!r}, not a string; write it as one")
            return None
        try:
            value.encode()
        except UnicodeEncodeError:
            self.problems.append(f"{column} holds half of a character (a lone surrogate); write the row again")
            return None
        return one_line(value) or None

    def id(self) -> str | None:
        """The id, in the normal form of all ids."""
        value = self.string(self._columns.id)
        return None if value is None else same_name(value)

    def segment(self) -> tuple[float | None, float | None]:
        """Start and end in seconds, from start or offset, end and duration; None if not given."""
        columns = self._columns
        given = [each for name in columns.starts if (each := self._seconds(name)) is not None]
        end, duration = self._seconds(columns.end), self._seconds(columns.duration)
        start = given[0] if given else None
        if given and max(given) - min(given) > _SECONDS_SLACK:
            named = zip((name for name in columns.starts if self._seconds(name) is not None), given, strict=True)
            listed = " but ".join(f"{name} is {value:g} s" for name, value in named)
            self.problems.append(f"{listed}; give one of them")
        if duration is not None:
            by_duration = (start or 0.0) + duration
            if end is None:
                end = by_duration
            elif abs(end - by_duration) > _SECONDS_SLACK:
                self.problems.append(f"end is {end:g}, but start and duration give {by_duration:g}; mend the times")
        if end is not None and end <= (start or 0.0):
            self.problems.append(f"end {end:g} is not after start {start or 0.0:g}; give seconds from the file's start")
        return start, end

    def states_segment(self) -> bool:
        """Whether a start or an end is given, and not only how long the recording is."""
        names = [*self._columns.starts, *([self._columns.end] if self._columns.end else [])]
        return any(self._row.get(name) not in (None, "") for name in names)

    def _seconds(self, column: str | None) -> float | None:
        value = None if column is None else self._row.get(column)
        if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
            return None
        try:
            seconds = float(value)
        except (TypeError, ValueError, OverflowError):
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds >= 0) or isinstance(value, bool):
            self.problems.append(f"{column} is {repr(value)[:60]}; give seconds, 0 or more")
            return None
        return seconds / 1000 if str(column).strip().lower().endswith(_MILLISECONDS) else seconds
