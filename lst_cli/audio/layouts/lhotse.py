"""lhotse's cuts (``cuts.jsonl`` or ``cuts.jsonl.gz``), read as the JSON they are: lhotse itself is not needed."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lst_cli.audio.layouts.listing import Entry, Layout, Listing, one_line
from lst_cli.audio.layouts.manifest_file import json_rows


def read_cuts(path: Path, with_text: bool) -> Listing:
    """List the cuts of a file in their order. Only a cut of plain recorded audio can be taken over.

    A relative audio path is looked for beside the cuts, then, as lhotse does, in the current folder.

    :raises UserError: the file can't be read, or holds something other than JSON objects.
    """
    entries = [_entry(path, where, cut, with_text) for where, cut in json_rows(path)]
    return Listing(entries=entries, documents=[path])


def _entry(path: Path, where: str, cut: Mapping[str, Any], with_text: bool) -> Entry:
    try:
        return _mono_cut(path, where, cut, with_text)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"{where}: not a cut as lhotse writes them ({error!r}); write the cuts again with lhotse"
        return Entry(id=str(cut.get("id", where)), path=path, problem=problem)


def _mono_cut(path: Path, where: str, cut: Mapping[str, Any], with_text: bool) -> Entry:
    supervisions = cut.get("supervisions", ())
    text = one_line(" ".join(part["text"] for part in supervisions if part.get("text"))) or None
    speakers = {part["speaker"] for part in supervisions if part.get("speaker")}
    audio, problem = _audio(cut)
    if problem is None and with_text and text is None:
        problem = "no text in its supervisions; add the corpus with --no-text"
    start = float(cut.get("start", 0.0))
    return Entry(
        id=str(cut.get("id", where)),
        path=_find(path.parent, audio),
        text=text if with_text else None,
        speaker=speakers.pop() if len(speakers) == 1 else None,
        start_s=start,
        end_s=start + float(cut.get("duration", 0.0)),
        problem=None if problem is None else f"{where}: {problem}",
    )


def _audio(cut: Mapping[str, Any]) -> tuple[str, str | None]:
    """The cut's audio file, and why it can't be taken over as it is."""
    recording = cut.get("recording") or {}
    if cut.get("type") != "MonoCut" or not recording:
        kind = cut.get("type", "something without a type")
        return "", f"{kind}, not a MonoCut with a recording; write it out with lhotse's CutSet.save_audios() first"
    if recording.get("transforms"):
        return "", "its recording is transformed when it is read; write it out with lhotse's CutSet.save_audios() first"
    for source in recording.get("sources", ()):
        if cut.get("channel", 0) in source["channels"]:
            if source["type"] != "file":
                return "", f"its audio is a {source['type']}, not a file; write it out with CutSet.save_audios() first"
            if len(source["channels"]) > 1:
                return "", f"one of {len(source['channels'])} channels; write it out with CutSet.save_audios() first"
            return source["source"], None
    return "", "its recording has no source for its channel; mend the cuts"


def _find(folder: Path, audio: str) -> Path:
    beside = folder / audio
    return beside if beside.exists() else Path(audio).absolute()


def is_cuts(source: Path) -> bool:
    """Whether a file's first line is one of lhotse's cuts."""
    if not source.is_file() or not source.name.endswith((".jsonl", ".jsonl.gz")):
        return False
    try:
        with gzip.open(source, "rb") if source.suffix == ".gz" else source.open("rb") as stream:
            first = json.loads(stream.readline())
    except (ValueError, OSError, EOFError, zlib.error):
        return False
    return isinstance(first, dict) and str(first.get("type", "")).endswith("Cut")


LHOTSE = Layout(name="lhotse", about="lhotse cuts, .jsonl or .jsonl.gz", recognises=is_cuts, read=read_cuts)
