"""A folder of audio files, each with its transcript in a text file of the same name next to it.

LibriTTS (``NAME.normalized.txt``), TIMIT (``NAME.TXT`` that begins with sample numbers), the Montreal Forced Aligner
(``NAME.lab``) and VCTK (a tree ``txt`` beside a tree ``wav48``) are such folders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lst_cli.audio.layouts.listing import (
    CorpusLayout,
    Entry,
    Listing,
    NoText,
    files_below,
    id_of,
    is_audio,
    matching,
    one_line,
    read_text,
    same_name,
)
from lst_cli.storage.bucket_path import AnyPath

_ENDINGS = (".txt", ".lab", ".normalized.txt", ".original.txt")
"""Of transcripts; the first that is there is read."""

_TIMIT_ENDINGS = (".wrd", ".phn")
_TIMIT_SAMPLES = re.compile(r"^\d+ \d+ ")
_LIBRITTS_STEM = re.compile(r"(\d+)_\d+_\d+_\d+")
_VCTK_MICROPHONE = re.compile(r"_mic\d+$")

_Key = tuple[AnyPath, str]
"""(folder, name without ending in NFC)."""


@dataclass
class _Texts:
    """The text files of a tree by folder and name."""

    files: dict[str, dict[_Key, AnyPath]] = field(default_factory=lambda: {ending: {} for ending in _ENDINGS})
    timit: set[_Key] = field(default_factory=set)
    used: set[AnyPath] = field(default_factory=set)
    twice: dict[_Key, str] = field(default_factory=dict)
    """Why a key has no transcript: two names that differ in case or Unicode form only."""
    spoken: set[_Key] = field(default_factory=set)
    """Keys with audio."""

    def add(self, path: AnyPath) -> None:
        """Add a file that is not audio."""
        name = path.name.lower()
        for ending in _ENDINGS:
            if name.endswith(ending):
                key = _key(path, len(ending))
                first = self.files[ending].setdefault(key, path)
                if first != path:
                    self.twice[key] = f"{first} and {path.name}: two transcripts of one recording; keep one of them"
        if name.endswith(_TIMIT_ENDINGS):
            self.timit.add(_key(path, 4))

    def of(self, key: _Key) -> AnyPath | None:
        """The transcript of the audio file with this key."""
        found = next((files[key] for files in self.files.values() if key in files), None)
        if found is not None:
            self.used.add(found)
        return found


def _key(path: AnyPath, ending: int) -> _Key:
    return path.parent, same_name(path.name[:-ending])


def read_folder(folder: AnyPath, with_text: bool) -> Listing:
    """List audio files at any depth; an id is the path below the folder without its suffix."""
    audio, texts = _tree(folder)
    entries = [_entry(path, folder, texts, with_text) for path in audio]
    return _listing(entries, texts, with_text)


def read_vctk(folder: AnyPath, with_text: bool) -> Listing:
    """List ``wav48*/SPEAKER/ID[_micN].*`` with ``txt/SPEAKER/ID.txt``; of several microphones the first."""
    audio, texts = _tree(folder)
    by_id: dict[str, AnyPath] = {}
    skipped = 0
    for path in audio:
        id = _VCTK_MICROPHONE.sub("", path.stem)
        id = id if id.startswith(path.parent.name) else f"{path.parent.name}/{id}"
        skipped += id in by_id
        by_id.setdefault(id, path)
    entries = []
    for id, path in sorted(by_id.items()):
        speaker = path.parent.name
        name = id.rpartition("/")[2]
        text = texts.of((folder / "txt" / speaker, same_name(name)))
        missing = f"txt/{speaker}/{name}.txt"
        entries.append(_with_text(Entry(id=same_name(id), path=path, speaker=speaker), text, missing, with_text))
    listing = _listing(entries, texts, with_text)
    if skipped:
        listing.notes.append(f"{folder}: {skipped:,} recordings of further microphones are not used")
    return listing


def _tree(folder: AnyPath) -> tuple[list[AnyPath], _Texts]:
    audio, texts = [], _Texts()
    for path in files_below(folder):
        if is_audio(path):
            audio.append(path)
        else:
            texts.add(path)
    return audio, texts


def _listing(entries: Sequence[Entry], texts: _Texts, with_text: bool) -> Listing:
    stray = set(texts.files[".txt"].values()) | set(texts.files[".lab"].values())
    stray -= texts.used | set(texts.files[".normalized.txt"].values()) | set(texts.files[".original.txt"].values())
    notes = []
    second = {path for path in stray if texts.spoken & {_key(path, len(path.suffix))}}
    no_audio = (stray - second, ".txt files have no audio beside them")
    for paths, what in (no_audio, (second, "transcripts are not read: another one is")):
        if paths and with_text:
            notes.append(f"{len(paths)} {what}, the first {min(map(str, paths))}")
    documents = sorted(texts.used, key=str) if with_text else []
    return Listing(entries=sorted(entries, key=lambda entry: entry.id), documents=documents, notes=notes)


def _entry(path: AnyPath, folder: AnyPath, texts: _Texts, with_text: bool) -> Entry:
    key = _key(path, len(path.suffix))
    speaker = None
    if (libritts := _LIBRITTS_STEM.fullmatch(key[1])) and path.parent.parent.name == libritts[1]:
        speaker = libritts[1]
    is_timit = key in texts.timit
    if is_timit:
        speaker = path.parent.name
    entry = Entry(id=id_of(path, folder), path=path, speaker=speaker)
    texts.spoken.add(key)
    if with_text and key in texts.twice:
        return replace(entry, problem=texts.twice[key])
    return _with_text(entry, texts.of(key), f"{key[1]}.txt", with_text, is_timit=is_timit)


def _with_text(
    entry: Entry, transcript: AnyPath | None, missing: str, with_text: bool, *, is_timit: bool = False
) -> Entry:
    """The entry with its transcript, or with why it has none."""
    if not with_text:
        return entry
    problem, text = None, ""
    if transcript is None:
        problem = f"{entry.path}: no transcript; write what is said to {missing}, or add the corpus with --no-text"
    else:
        try:
            text = one_line(read_text(transcript))
        except (NoText, FileNotFoundError) as error:
            problem = str(error)
        text = _TIMIT_SAMPLES.sub("", text) if is_timit else text
        if not text and problem is None:
            problem = f"{transcript}: the transcript is empty; write it, or use --no-text"
    return Entry(id=entry.id, path=entry.path, speaker=entry.speaker, text=text or None, problem=problem)


def _is_vctk(source: AnyPath, files: Sequence[AnyPath]) -> bool:
    return source.is_dir() and (source / "txt").is_dir() and any(matching(source, "wav48*/"))


FOLDER = CorpusLayout(
    name="folder",
    about="audio files at any depth, NAME.txt, NAME.lab or NAME.normalized.txt beside NAME.wav",
    recognises=lambda source, files: source.is_dir(),
    read=read_folder,
)
VCTK = CorpusLayout(
    name="vctk",
    about="wav48*/SPEAKER/ID.wav beside txt/SPEAKER/ID.txt",
    recognises=_is_vctk,
    read=read_vctk,
)
