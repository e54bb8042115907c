"""Trees with one transcript file for many recordings: LibriSpeech, and Multilingual LibriSpeech."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from lst_cli.audio.layouts.listing import (
    CorpusLayout,
    Entry,
    Listing,
    NoText,
    files_below,
    is_audio,
    matching,
    one_line,
    read_lines,
    same_name,
)
from lst_cli.storage.bucket_path import AnyPath


def read_librispeech(folder: AnyPath, with_text: bool) -> Listing:
    """List ``SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac`` with the lines ``ID TEXT`` of ``*.trans.txt``."""
    return _read_tree(folder, with_text)


def read_mls(folder: AnyPath, with_text: bool) -> Listing:
    """List ``audio/SPEAKER/BOOK/SPEAKER_BOOK_NUMBER.flac`` with the lines ``ID<TAB>TEXT`` of ``transcripts.txt``."""
    return _read_tree(folder, with_text, _mls_transcripts(folder))


def _mls_transcripts(folder: AnyPath) -> list[AnyPath]:
    """``transcripts.txt`` of the folder itself, or of the splits (train, dev, test) directly below it."""
    found = [folder / "transcripts.txt", *matching(folder, "*/transcripts.txt")]
    return [path for path in found if path.is_file() and (path.parent / "audio").is_dir()]


def _read_tree(folder: AnyPath, with_text: bool, documents: Sequence[AnyPath] | None = None) -> Listing:
    files = list(files_below(folder))
    audio = [path for path in files if is_audio(path)]
    documents = documents or sorted((path for path in files if path.name.endswith(".trans.txt")), key=str)
    if not with_text:
        return Listing(entries=_sorted(_entry(path) for path in audio))
    said: dict[str, tuple[str, AnyPath]] = {}
    broken: dict[AnyPath, str] = {}
    faulty: dict[str, str] = {}
    for document in documents:
        try:
            for id, text, problem in _lines(document):
                if id in said and problem is None:
                    problem = f"{document}: two lines for {id}; keep one of them"
                said[id] = (text, document)
                if problem is not None:
                    faulty[id] = problem
                    broken.setdefault(document.parent, problem)
        except NoText as error:
            broken[document.parent] = str(error)
    entries = [_with_text(path, said, broken, faulty) for path in audio]
    missing = sorted(said.keys() - {same_name(path.stem) for path in audio})
    return Listing(
        entries=_sorted([*entries, *(_without_audio(id, said[id][1]) for id in missing)]), documents=list(documents)
    )


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.id)


def _lines(document: AnyPath) -> Iterator[tuple[str, str, str | None]]:
    """(id, text, why the line can't be used) of each line."""
    for line in read_lines(document):
        read = line if isinstance(line, str) else line.guess
        if read.strip():
            id, *text = read.split(maxsplit=1)
            yield same_name(id), one_line(text[0]) if text else "", None if isinstance(line, str) else str(line)


def _entry(path: AnyPath, text: str | None = None, problem: str | None = None) -> Entry:
    speaker = re.split("[-_]", path.stem)[0]
    return Entry(id=same_name(path.stem), path=path, speaker=speaker, text=text, problem=problem)


def _with_text(
    path: AnyPath, said: dict[str, tuple[str, AnyPath]], broken: dict[AnyPath, str], faulty: dict[str, str]
) -> Entry:
    id = same_name(path.stem)
    text, document = said.get(id, (None, None))
    if id in faulty:
        return _entry(path, problem=faulty[id])
    if text:
        return _entry(path, text)
    if document is not None:
        return _entry(path, problem=f"{document}: the line of {path.stem} has no text; write it, or use --no-text")
    for folder in path.parents:
        if folder in broken:
            return _entry(path, problem=broken[folder])
    return _entry(path, problem=f"{path}: no line in the transcripts; add '{path.stem} TEXT', or use --no-text")


def _without_audio(id: str, document: AnyPath) -> Entry:
    problem = f"{document}: no audio file for {id}; restore it, or remove the line"
    return Entry(id=id, path=document, problem=problem)


LIBRISPEECH = CorpusLayout(
    name="librispeech",
    about="SPEAKER/CHAPTER/ID.flac with ID TEXT lines in *.trans.txt",
    recognises=lambda source, files: any(path.name.endswith(".trans.txt") for path in files),
    read=read_librispeech,
)
MLS = CorpusLayout(
    name="mls",
    about="Multilingual LibriSpeech: audio/SPEAKER/BOOK/ID.flac beside transcripts.txt",
    recognises=lambda source, files: source.is_dir() and bool(_mls_transcripts(source)),
    read=read_mls,
)
