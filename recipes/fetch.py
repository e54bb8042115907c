"""Get public corpora and benchmark files from the addresses where they are published.

    python recipes/fetch.py --to data librispeech-train-clean-100 hellaswag
    python recipes/fetch.py                                               list the sources

Files go to the folder under their own names; archives are unpacked next to them. An interrupted download resumes.
A file is checked before it is unpacked, also one that is there already. Where the publisher gives no checksum, that of
the first download is recorded in ``checksums.lock`` in the folder, and later ones must match it.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import http.client
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).with_name("sources.tsv")
_CHUNK = 1 << 20
_TIMEOUT_S = 60
"""Longest silence of a server."""
_NOTHING_BEHIND = 416
"""HTTP status if the requested range begins at the end of the file, or beyond."""
LOCK = "checksums.lock"
"""Checksums of downloads without a published one: lines in the format of sha256sum."""


@dataclass(frozen=True)
class Source:
    """One file that is published somewhere."""

    name: str
    size: str
    sha256: str | None
    address: str
    folder: str = ""
    """Its path, and the folder where an archive is unpacked, below the folder of all files."""

    @property
    def file(self) -> str:
        """Its own name."""
        return self.address.rsplit("/", 1)[-1]


def sources(path: Path = SOURCES) -> dict[str, Source]:
    """All sources by name."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, size, sha256, address, *folder = line.split("\t")
            found[name] = Source(name, size, None if sha256 == "-" else sha256, address, *folder)
    return found


def sha256_of(path: Path) -> str:
    """The sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def download(source: Source, part: Path) -> None:
    """Download into a partial file, resuming at its end; a complete one is not downloaded again.

    :raises SystemExit: the server can't be reached, or the connection ended before the file did; the part stays.
    """
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(source.address, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if have and error.code == _NOTHING_BEHIND:
            return  # its checksum is verified later
        raise
    except (urllib.error.URLError, TimeoutError) as error:
        sys.exit(f"{source.name}: no answer from {source.address} ({getattr(error, 'reason', error)}); try again later")
    with answer:
        resumes = bool(have) and getattr(answer, "status", None) == 206
        if resumes and not _begins_at(answer.headers.get("Content-Range"), have):
            part.unlink()
            sys.exit(f"{source.name}: the server sent another range than bytes {have}-; run the command again")
        try:
            with part.open("ab" if resumes else "wb") as file:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            sys.exit(f"{source.name}: the connection broke ({error!r}); run the command again to resume")
    # A connection that is cut looks like the end of the file.
    length = answer.headers.get("Content-Length")
    whole = (have if resumes else 0) + int(length) if length is not None else None
    if whole is not None and part.stat().st_size < whole:
        size = part.stat().st_size
        sys.exit(f"{source.name}: broke off at {size:,} of {whole:,} bytes; run the command again to resume")


def _begins_at(content_range: str | None, start: int) -> bool:
    """Whether a range that was sent (``bytes 6-11/12``) begins at the requested byte; if not stated, it does."""
    return content_range is None or content_range.replace("bytes", "").strip().startswith(f"{start}-")


def check(source: Source, path: Path, folder: Path) -> None:
    """Hold a file against its published checksum, or against the one recorded when it was first downloaded.

    :raises SystemExit: it has another one; the file is removed if it is a download of our own.
    """
    found, lock = sha256_of(path), folder / LOCK
    recorded = dict(line.split()[::-1] for line in lock.read_text().splitlines()) if lock.exists() else {}
    expected = source.sha256 or recorded.get(source.file)
    if expected is None:
        print(f"{source.name}: no published checksum; recorded sha256 {found} in {lock}", file=sys.stderr)
        with lock.open("a") as file:
            file.write(f"{found}  {source.file}\n")
    elif found == expected:
        print(f"{source.name}: sha256 {found}", file=sys.stderr)
    elif path.name.startswith("."):
        path.unlink()
        of = "published" if source.sha256 else "recorded"
        sys.exit(f"{source.name}: not the {of} file: sha256 {found}, expected {expected}; run the command again")
    else:
        of = "published" if source.sha256 else "recorded"
        sys.exit(f"{source.name}: {path} is not the {of} file: sha256 {found}, expected {expected}; remove it first")


def fetch(source: Source, folder: Path) -> Path:
    """Get one file and unpack it, unless that is done.

    :raises SystemExit: it has another checksum than the published or recorded one, or is not a whole archive.
    """
    folder = folder / source.folder
    folder.mkdir(parents=True, exist_ok=True)
    path, done = folder / source.file, folder / f".{source.file}.done"
    if done.exists():
        return path
    if path.exists():
        check(source, path, folder)
    else:
        part = folder / f".{source.file}.part"
        print(f"{source.name}: {source.size} from {source.address}", file=sys.stderr)
        download(source, part)
        check(source, part, folder)
        part.replace(path)
    try:
        _unpack(path, folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile) as error:
        sys.exit(f"{source.name}: {path} can't be unpacked ({error}); remove it, and run the command again")
    done.touch()
    return path


def _unpack(path: Path, folder: Path) -> None:
    if path.name.endswith((".tar", ".tar.gz")):
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as members:
            members.extractall(folder)


def main() -> None:
    """Download the named files; without names, list the available ones."""
    parser = argparse.ArgumentParser(description="Get public corpora and benchmark files.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--to", type=Path, default=Path("data"), help="folder for the files")
    options = parser.parse_args()
    known = sources()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        sys.exit(f"no such source: {', '.join(unknown)}. There are: {', '.join(known)}")
    if not options.names:
        for source in known.values():
            checksum = "sha256" if source.sha256 else "no checksum"
            print(f"{source.name:30} {source.size:>14}  {checksum:11}  {source.address}")
    for name in options.names:
        fetch(known[name], options.to)


if __name__ == "__main__":
    main()
