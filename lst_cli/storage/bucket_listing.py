"""What is in a bucket, as listings say it: a folder is listed once, a tree of folders by one listing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import PurePosixPath
from posixpath import commonpath

from lst_cli.console import warn
from lst_cli.storage.range_file import refusals_are_failures
from lst_cli.storage.remote import NoSuchObject, ObjectFacts, Remote

_AT_ONCE = 16
"""Requests at the same time."""

_MOST_FOLDERS = 64
"""More folders than these are listed with all that lies below the deepest folder which contains them."""

_AHEAD_FILES, _AHEAD_BYTES = 256, 1 << 16
"""Small files (at most so many bytes) that are fetched together."""

_Entries = dict[str, ObjectFacts | None]
"""The facts of files by name; None for a folder."""


def split_url(url: str) -> tuple[str, str]:
    """The store's own part (``s3://bucket``), and the path in it without a slash at either end."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", path.strip("/")


class BucketListing:
    """Remembers what was listed."""

    def __init__(self) -> None:
        self._folders: dict[str, _Entries] = {}
        self._trees: list[str] = []
        self._sources: dict[str, ObjectFacts] = {}
        self._ahead: dict[str, bytes] = {}
        self._orders: dict[tuple[str, str], tuple[list[str], dict[str, int]]] = {}

    def open_source(self, url: str) -> None:
        """Ask about one file, or list all that lies below a folder.

        :raises UserError: there is no such bucket.
        :raises LstError: the store can't be reached, or refuses access.
        """
        folder, _, name = url.rpartition("/")
        with refusals_are_failures():
            if split_url(url)[1]:
                with suppress(NoSuchObject):
                    self._sources[url] = Remote.of(folder).facts(name)
                    return
            self._list_tree(url)

    def look_up(self, urls: Iterable[str]) -> None:
        """List the folders of files that are not known yet.

        :raises LstError: the store can't be reached, or refuses access.
        """
        unknown: dict[str, set[str]] = {}
        for url in urls:
            folder = url.rpartition("/")[0]
            if url not in self._sources and not self._is_listed(folder):
                unknown.setdefault(split_url(url)[0], set()).add(folder)
        for store, folders in unknown.items():
            if len(folders) > _MOST_FOLDERS:
                common = commonpath([f"/{split_url(folder)[1]}" for folder in folders])
                with suppress(NoSuchObject):  # of a bucket that is not there no file is there
                    self._list_tree(f"{store}{common}".rstrip("/"))
            else:
                with ThreadPoolExecutor(_AT_ONCE) as pool:
                    list(pool.map(self._list_folder, sorted(folders)))

    def children(self, folder: str) -> Mapping[str, ObjectFacts | None]:
        """The entries of a folder; none if it does not exist."""
        if not self._is_listed(folder):
            self._list_folder(folder)
        return self._folders.get(folder, {})

    def facts(self, url: str) -> ObjectFacts | None:
        """The facts of a file; None if there is none."""
        if url in self._sources or url in self._trees:
            return self._sources.get(url)
        folder, _, name = url.rpartition("/")
        return self.children(folder).get(name)

    def files_below(self, folder: str) -> Iterator[str]:
        """The URL of every file, in the order of a walk over a disk, without hidden ones."""
        waiting = [folder]
        while waiting:
            url = waiting.pop()
            entries = self._folders.get(url, {})
            if self.facts(url) is not None and url != folder:
                yield url
            waiting += [f"{url}/{name}" for name in sorted(entries, reverse=True) if not name.startswith(".")]

    def read(self, url: str) -> bytes:
        """A small file, fetched together with those of the same suffix that follow it in a listed tree.

        :raises NoSuchObject: there is none.
        :raises LstError: the store can't be reached, or refuses access.
        """
        if url not in self._ahead:
            tree = next((tree for tree in self._trees if url.startswith(f"{tree}/")), None)
            folder, _, name = url.rpartition("/")
            with refusals_are_failures():
                if tree is None:
                    return Remote.of(folder).read(name)
                urls = self._following(tree, url)
                names = [each[len(tree) + 1 :] for each in urls]
                try:
                    self._ahead = dict(zip(urls, Remote.of(tree).read_all(names), strict=True))
                except NoSuchObject:  # one of them was removed just now
                    return Remote.of(folder).read(name)
        return self._ahead.pop(url)

    def _following(self, tree: str, url: str) -> list[str]:
        suffix = PurePosixPath(url).suffix
        if (tree, suffix) not in self._orders:
            files = [each for each in self.files_below(tree) if each.endswith(suffix)]
            self._orders[tree, suffix] = files, {each: number for number, each in enumerate(files)}
        files, numbers = self._orders[tree, suffix]
        if url not in numbers:
            return [url]
        following = files[numbers[url] :][:_AHEAD_FILES]
        return [each for each in following if each == url or (self.facts(each) or (0,))[0] <= _AHEAD_BYTES]

    def _is_listed(self, folder: str) -> bool:
        return any(folder == tree or folder.startswith(f"{tree}/") for tree in self._trees) or folder in self._folders

    def _list_folder(self, folder: str) -> None:
        with refusals_are_failures():
            self._folders[folder] = {}
            with suppress(NoSuchObject):
                self._folders[folder] = Remote.of(folder).entries()

    def _list_tree(self, tree: str) -> None:
        with refusals_are_failures():
            files = Remote.of(tree).files_below()
        self._trees.append(tree)
        unreadable = 0
        for name, facts in files.items():
            parts = name.split("/")
            if name.endswith("/"):
                continue  # what some tools write for a folder
            if not name or "." in parts or ".." in parts or "" in parts:
                unreadable += 1  # a path on a disk can't have these parts
                continue
            folder = "/".join([tree, *parts[:-1]])
            self._entries_of(tree, folder)[parts[-1]] = facts
        if unreadable:
            warn(
                f"{tree}: {unreadable:,} objects have an empty folder name, '.' or '..' in their names, and are skipped"
            )

    def _entries_of(self, tree: str, folder: str) -> _Entries:
        """The entries of a folder that exists, which all folders above it have, too."""
        while folder not in self._folders:
            self._folders[folder] = {}
            if folder == tree:
                break
            above, _, name = folder.rpartition("/")
            self._entries_of(tree, above).setdefault(name, None)
        return self._folders[folder]
