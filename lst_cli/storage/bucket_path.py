"""A file or folder in a bucket, with those methods of :class:`pathlib.Path` that reading a corpus needs."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from lst_cli.errors import UserError
from lst_cli.storage.bucket_listing import BucketListing, split_url
from lst_cli.storage.range_file import RangeFile, refusals_are_failures
from lst_cli.storage.remote import NoSuchObject, ObjectFacts, Remote, is_url, refuse_password


@dataclass(frozen=True)
class BucketPath:
    """Named by its URL. What is there is known from a listing, or was recorded when it was listed."""

    url: str
    """Without a slash at the end."""
    recorded: ObjectFacts | None = None
    """Of a file: what must be there. Anything else is an error when it is read."""
    listing: BucketListing | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> BucketPath:
        store, path = split_url(self.url)
        joined = posixpath.normpath(f"/{path}/{name}").lstrip("/")
        return BucketPath(f"{store}/{joined}" if joined else store, listing=self.listing)

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The suffix of the last part."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> BucketPath:
        """The folder; of a bucket, itself."""
        return self / ".."

    @property
    def parents(self) -> Iterator[BucketPath]:
        """The folder, its folder and so on, up to the bucket."""
        path = self
        while path.parent != path:
            path = path.parent
            yield path

    def with_suffix(self, suffix: str) -> BucketPath:
        """The same with another suffix."""
        return self.parent / PurePosixPath(self.name).with_suffix(suffix).name

    def relative_to(self, folder: str) -> PurePosixPath:
        """The path below the folder of this URL."""
        return PurePosixPath(self.url).relative_to(folder)

    def resolve(self) -> BucketPath:
        """With all that is below it listed.

        :raises UserError: there is no such bucket.
        :raises LstError: the store can't be reached, or refuses access.
        """
        listing = BucketListing()
        listing.open_source(self.url)
        return BucketPath(self.url, listing=listing)

    def facts(self) -> ObjectFacts:
        """Size and stamp, as recorded or listed.

        :raises FileNotFoundError: there is no such file.
        :raises LstError: the store can't be reached, or refuses access.
        """
        found = self.recorded
        if found is None and self.listing is not None:
            found = self.listing.facts(self.url)
        elif found is None:
            try:
                with refusals_are_failures():
                    found = Remote.of(self.parent.url).facts(self.name)
            except NoSuchObject:
                pass
        if found is None:
            raise FileNotFoundError(2, "no such object", self.url)
        return found

    def is_file(self) -> bool:
        """Whether there is such a file."""
        try:
            return self.facts() is not None
        except FileNotFoundError:
            return False

    def is_dir(self) -> bool:
        """Whether there is a file below."""
        return bool(self._entries())

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        return self.is_file() or self.is_dir()

    def iterdir(self) -> Iterator[BucketPath]:
        """What is in the folder."""
        return (self / name for name in self._entries())

    def files_below(self) -> Iterator[BucketPath]:
        """Every file below a folder that was listed whole, in the order of a walk over a disk."""
        listing = self.listing or BucketListing()
        return (BucketPath(url, listing=listing) for url in listing.files_below(self.url))

    def glob(self, pattern: str) -> Iterator[BucketPath]:
        """What matches a pattern, part by part; with a slash at its end, folders only."""
        first, slash, rest = pattern.partition("/")
        for each in self.iterdir():
            if fnmatchcase(each.name, first) and (not slash or each.is_dir()):
                yield from each.glob(rest) if rest else iter((each,))

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open for reading, by ranges.

        :raises FileNotFoundError: there is no such file.
        """
        return io.BufferedReader(RangeFile(Remote.of(self.parent.url), self.name, self.facts()))

    def read_bytes(self) -> bytes:
        """The contents of a small file.

        :raises FileNotFoundError: there is no such file.
        :raises LstError: the store can't be reached, or refuses access.
        """
        self.facts()
        try:
            return (self.listing or BucketListing()).read(self.url)
        except NoSuchObject:
            raise FileNotFoundError(2, "no such object", self.url) from None

    def _entries(self) -> list[str]:
        return [] if self.listing is None else list(self.listing.children(self.url))


AnyPath = Path | BucketPath
"""A file or folder on a disk or in a bucket."""


def path_or_url(text: str) -> AnyPath:
    """What an argument of the command line names.

    :raises UserError: a URL with a password, or of something else than a store that can be opened.
    """
    return bucket_path(Remote.of(text).url) if is_url(text) else Path(text)


@cache
def _is_known(scheme: str) -> bool:
    from fsspec import available_protocols

    return scheme in available_protocols()


def bucket_path(url: str, beside: AnyPath | None = None) -> BucketPath:
    """What a URL names, for instance in a table.

    :param beside: the folder of that table; if it was listed, so is what the table names.
    :raises UserError: a URL with a password, of a web server, which has no listings, or of no known kind of store.
    """
    refuse_password(url)
    if url.startswith(("http://", "https://")):
        raise UserError(
            f"{url}: the address of a web server, which does not list its files",
            fix="download the files, or give the URL of an object store (s3://, gs://, hf://, ...)",
        )
    scheme = url.partition("://")[0]
    if not _is_known(scheme):
        raise UserError(
            f"{url}: no kind of store is known for {scheme}://",
            fix="give a path, or the URL of an object store (s3://, gs://, hf://, ...)",
        )
    return BucketPath(url.rstrip("/"), listing=beside.listing if isinstance(beside, BucketPath) else None)
