"""LibriLight: hours of untranscribed reading, each recording with a JSON of where there is a voice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lst_cli.audio.layouts.listing import CorpusLayout, Entry, Listing, NoText, files_below, id_of, read_text
from lst_cli.json_text import parse_json
from lst_cli.storage.bucket_path import AnyPath

LONGEST_S = 60.0
"""Stretches of voice are joined up to this length, as LibriLight's own ``cut_by_vad.py`` does by default."""


def read_librilight(folder: AnyPath, with_text: bool) -> Listing:
    """List ``SPEAKER/BOOK/NAME.flac`` segmented by the ``voice_activity`` in ``NAME.json``.

    Unlike LibriLight's script, the pauses between joined stretches stay in: an utterance is one piece of its file.
    There are no transcripts.
    """
    entries: list[Entry] = []
    documents = []
    for path in files_below(folder):
        if path.suffix == ".flac":
            document = path.with_suffix(".json")
            entries += _recording(path, document, folder)
            documents.append(document)
    return Listing(entries=sorted(entries, key=lambda entry: entry.id), documents=documents)


def _recording(path: AnyPath, document: AnyPath, folder: AnyPath) -> list[Entry]:
    id = id_of(path, folder)
    try:
        about: dict[str, Any] = parse_json(read_text(document))
        spans = [(float(start), float(end)) for start, end in about["voice_activity"]]
        wrong = next((span for span in spans if not 0 <= span[0] < span[1] < math.inf), None)
        if wrong is not None:
            raise ValueError(f"{wrong[0]:g} s to {wrong[1]:g} s is no time span")
        speaker = str(about["speaker"])
    except FileNotFoundError:
        return [Entry(id=id, path=path, problem=f"{path}: no {document.name} beside it; restore it")]
    except NoText as error:
        return [Entry(id=id, path=path, problem=str(error))]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        problem = f"{document}: no 'speaker' and 'voice_activity' as [start, end] pairs ({error!r}); restore it"
        return [Entry(id=id, path=path, problem=problem)]
    if not spans:
        problem = f"{document}: no voice in this recording; remove it, or take it with --layout folder --no-text"
        return [Entry(id=id, path=path, problem=problem)]
    return [
        Entry(id=f"{id}/{number:04d}", path=path, speaker=speaker, start_s=start, end_s=end)
        for number, (start, end) in enumerate(join_spans(spans))
    ]


def join_spans(spans: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Join consecutive (start, end) spans, in seconds, as long as the whole is at most :data:`LONGEST_S` long."""
    first: float | None = None
    last = 0.0
    for start, end in spans:
        if first is not None and end - first > LONGEST_S:
            yield first, last
            first = None
        if first is None:
            first = start
        last = end
    if first is not None:
        yield first, last


def is_librilight(source: AnyPath, files: Sequence[AnyPath]) -> bool:
    """Whether the first recording below a folder has a JSON with voice activity next to it."""
    first = next((path for path in files if path.suffix == ".flac"), None)
    return first is not None and _tells_activity(first.with_suffix(".json"))


def _tells_activity(document: AnyPath) -> bool:
    return document.is_file() and b'"voice_activity"' in document.read_bytes()


LIBRILIGHT = CorpusLayout(
    name="librilight",
    about="SPEAKER/BOOK/NAME.flac with voice_activity in NAME.json",
    recognises=is_librilight,
    read=read_librilight,
)
