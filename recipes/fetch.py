"""Get public corpora and benchmark files from the addresses where they are published.

    python recipes/fetch.py --to data librispeech-train-clean-100 hellaswag
    python recipes/fetch.py                                               what there is

Files go to the folder under their own names; archives are unpacked beside them. A download that broke off goes on
where it was. Where the publisher gives a sum, a file with another one is refused and removed; where none is given, the
file's own sum is printed, to be noted. What is there already is left alone.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).with_name("sources.tsv")
_CHUNK = 1 << 20
_NOTHING_BEHIND = 416
"""HTTP's answer when what is asked for begins at the end of the file, or beyond."""


@dataclass(frozen=True)
class Source:
    """One file that is published somewhere."""

    name: str
    size: str
    sha256: str | None
    address: str
    folder: str = ""
    """Where it goes, and an archive is unpacked, below the folder for all files."""

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
    """Sum of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def download(source: Source, part: Path) -> None:
    """Download into a part, behind what it holds already; a part that holds all of the file stays as it is.

    :raises SystemExit: the connection ended before the file did; the part stays.
    """
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(source.address, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        if have and error.code == _NOTHING_BEHIND:
            return  # its sum tells whether it is the file
        raise
    with answer:
        goes_on = have and getattr(answer, "status", None) == 206
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
    # A connection that is cut looks like the end of the file.
    length = answer.headers.get("Content-Length")
    whole = (have if goes_on else 0) + int(length) if length is not None else None
    if whole is not None and part.stat().st_size < whole:
        sys.exit(f"{source.name}: broke off at {part.stat().st_size:,} of {whole:,} bytes; fetch it again to go on")


def fetch(source: Source, folder: Path) -> Path:
    """Get one file and unpack it, unless that is done.

    :raises SystemExit: its sum is not the published one.
    """
    folder = folder / source.folder
    folder.mkdir(parents=True, exist_ok=True)
    path, done = folder / source.file, folder / f".{source.file}.done"
    if done.exists():
        return path
    if not path.exists():
        part = folder / f".{source.file}.part"
        print(f"{source.name}: {source.size} from {source.address}", file=sys.stderr)
        download(source, part)
        found = sha256_of(part)
        if source.sha256 is not None and found != source.sha256:
            part.unlink()
            sys.exit(f"{source.name}: not the published file: sha256 {found}, expected {source.sha256}; fetch it again")
        print(f"{source.name}: sha256 {found}", file=sys.stderr)
        part.replace(path)
    if path.name.endswith((".tar", ".tar.gz")):
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as members:
            members.extractall(folder)
    done.touch()
    return path


def main() -> None:
    """Fetch what is named; without names, list what there is."""
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
            print(f"{source.name:30} {source.size:>14}  {source.address}")
    for name in options.names:
        fetch(known[name], options.to)


if __name__ == "__main__":
    main()
