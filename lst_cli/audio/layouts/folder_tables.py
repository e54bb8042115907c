"""Folders of audio with a table in them: LJSpeech, Hugging Face audio folders, Common Voice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lst_cli.audio.layouts.listing import (
    CorpusLayout,
    Entry,
    Listing,
    files_below,
    find_file,
    is_audio,
    is_there,
    lines_of,
    matching,
    one_line,
    read_document,
    same_name,
)
from lst_cli.audio.layouts.manifest_file import read_manifest, rows_of
from lst_cli.audio.layouts.table_rows import first_object, open_table
from lst_cli.errors import UserError
from lst_cli.json_text import UTF_16_MARKS
from lst_cli.storage.bucket_path import AnyPath

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet", "metadata.tsv")
_LJ_AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".opus")


def _first_lines(path: AnyPath, count: int = 1) -> list[str]:
    """The first lines of a table, in UTF-8 or in UTF-16 with its mark; none if it can't be read."""
    try:
        with open_table(path) as stream:
            head = stream.read(1 << 16)
    except UserError:
        return []
    encoding = "utf-16" if head.startswith(UTF_16_MARKS) else "utf-8-sig"
    return lines_of(head.decode(encoding, "replace"))[:count]


def _lj_audio(folder: AnyPath, id: str) -> AnyPath | None:
    """The recording of an id, in ``wavs`` or next to the table."""
    named = Path(id).suffix.lower() in _LJ_AUDIO
    for each in (folder / "wavs", folder):
        for suffix in ("", *_LJ_AUDIO) if named else _LJ_AUDIO:
            path = find_file(each / f"{id}{suffix}")
            if is_there(path):
                return path
    return None


def _lj_tables(source: AnyPath, files: Sequence[AnyPath]) -> list[AnyPath]:
    """Tables of lines ``ID|TEXT`` whose first ids have recordings; the first line may name the columns."""
    tables = [source] if source.is_file() else [path for path in files if path.name.lower() == "metadata.csv"]
    return [
        path
        for path in tables
        if any("|" in line and _lj_audio(path.parent, line.split("|")[0]) for line in _first_lines(path, 2))
    ]


def read_ljspeech(source: AnyPath, with_text: bool) -> Listing:
    """List lines ``ID|TEXT`` or ``ID|TEXT|NORMALISED TEXT`` of ``metadata.csv``, with ``wavs/ID.wav``."""
    files = [] if source.is_file() else list(files_below(source))
    tables = _lj_tables(source, files)
    entries = [entry for table in tables for entry in _lj_entries(table, source, with_text)]
    notes = _unlisted(source, files, {entry.path for entry in entries})
    return Listing(entries=sorted(entries, key=lambda entry: entry.id), documents=tables, notes=notes)


def _lj_entries(table: AnyPath, source: AnyPath, with_text: bool) -> Iterator[Entry]:
    prefix = _prefix(table, source)
    for number, line in enumerate(lines_of(read_document(table)), start=1):
        if not line.strip():
            continue
        id, *texts = line.split("|")
        text = next((found for each in reversed(texts) if (found := one_line(each))), None)
        plain = id.strip() and "\0" not in id and ".." not in Path(id).parts and not Path(id).is_absolute()
        audio = _lj_audio(table.parent, id) if plain else None
        problem = None
        if audio is None:
            problem = f"{table}, line {number}: no audio file for {id[:60]!r}; restore it, or remove the line"
        elif with_text and text is None:
            problem = f"{table}, line {number}: no text; write it, or add the corpus with --no-text"
        if Path(id).suffix.lower() in _LJ_AUDIO:
            id = Path(id).with_suffix("").as_posix()
        id = prefix + (same_name(id) or f"line {number}")
        yield Entry(id=id, path=audio or table, text=text if with_text else None, problem=problem)


def _prefix(table: AnyPath, source: AnyPath) -> str:
    """Prefix of the ids of a table in a folder below the source."""
    folder = table.parent.relative_to(str(source)).as_posix() if source.is_dir() else "."
    return "" if folder == "." else f"{same_name(folder)}/"


def _unlisted(source: AnyPath, files: Sequence[AnyPath], named: set[AnyPath]) -> list[str]:
    """A note on the recordings that no table names."""
    rest = [path for path in files if is_audio(path) and path not in named]
    return (
        [f"{source}: {len(rest):,} recordings are named by no table and not used, the first {rest[0]}"] if rest else []
    )


def _metadata(files: Sequence[AnyPath]) -> list[AnyPath]:
    """Tables with a column of file names, as in Hugging Face audio folders; one for a folder."""
    found: dict[AnyPath, AnyPath] = {}
    for path in files:
        if path.name.lower() in _METADATA and "file_name" in _column_names(path):
            found.setdefault(path.parent, path)
    return list(found.values())


def _column_names(path: AnyPath) -> list[str]:
    try:
        row = first_object(rows_of(path)(path))
    except UserError:
        return []
    return [name.lower() for name in row if isinstance(name, str)]


def read_audio_folder(source: AnyPath, with_text: bool) -> Listing:
    """List the rows of every ``metadata.csv`` or ``.jsonl``; paths are relative to the table."""
    files = list(files_below(source))
    tables = _metadata(files)
    listings = [(table, read_manifest(table, with_text)) for table in tables]
    entries = _Prefixed([(_prefix(table, source), listing) for table, listing in listings])
    notes = [note for _, listing in listings for note in listing.notes]
    notes += _unlisted(source, files, {find_file(entry.path) for entry in entries})
    return Listing(entries=entries, documents=tables, notes=notes)


@dataclass(frozen=True)
class _Prefixed:
    """The entries of several tables, each with a prefix for its ids."""

    listings: Sequence[tuple[str, Listing]]

    def __iter__(self) -> Iterator[Entry]:
        for prefix, listing in self.listings:
            for entry in listing.entries:
                yield replace(entry, id=prefix + entry.id) if prefix else entry


def _common_voice_table(source: AnyPath) -> AnyPath | None:
    """``validated.tsv``, which holds all that was accepted, or the one table there is."""
    if not (source / "clips").is_dir():
        return None
    tables = [
        path for path in matching(source, "*.tsv") if "path" in "".join(_first_lines(path)).rstrip("\r").split("\t")
    ]
    best = [path for path in tables if path.name == "validated.tsv"] or tables
    return best[0] if best else None


def read_common_voice(source: AnyPath, with_text: bool) -> Listing:
    """List the rows of ``validated.tsv``, with the recordings in ``clips``.

    :raises UserError: there is no such table, but several others.
    """
    table = _common_voice_table(source)
    tables = [path.name for path in matching(source, "*.tsv")]
    if table is None or (table.name != "validated.tsv" and len(tables) > 1):
        raise UserError(
            f"{source}: several tables, and no validated.tsv",
            found=", ".join(tables),
            fix=f"name one of them: lst corpus add {source / tables[0]}",
        )
    listing = read_manifest(table, with_text)
    listing.notes.append(f"{source}: {table.name} is read; name another table to take that one")
    return listing


def _recognise(find: Callable[[AnyPath, Sequence[AnyPath]], object]) -> Callable[[AnyPath, Sequence[AnyPath]], bool]:
    return lambda source, files: bool(find(source, files))


LJSPEECH = CorpusLayout(
    name="ljspeech",
    about="wavs/ID.wav with lines ID|TEXT|NORMALISED TEXT in metadata.csv",
    recognises=_recognise(
        lambda source, files: (source.is_dir() or source.suffix.lower() == ".csv") and _lj_tables(source, files)
    ),
    read=read_ljspeech,
)
AUDIO_FOLDER = CorpusLayout(
    name="audiofolder",
    about="a Hugging Face audio folder: metadata.csv or metadata.jsonl with a column file_name",
    recognises=_recognise(lambda source, files: source.is_dir() and _metadata(files)),
    read=read_audio_folder,
)
COMMON_VOICE = CorpusLayout(
    name="commonvoice",
    about="clips/ beside validated.tsv",
    recognises=_recognise(lambda source, files: source.is_dir() and _common_voice_table(source)),
    read=read_common_voice,
)
