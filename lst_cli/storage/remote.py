"""Folders of object stores and other remote file systems, by URL: ``s3://``, ``gs://``, ``file://``, all of fsspec.

Credentials and endpoints come from the environment, never from the URL.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lst_cli.console import warn
from lst_cli.errors import LstError, UserError, is_disk_full

T = TypeVar("T")

_URL = re.compile(r"[a-z][a-z0-9+.-]+://\S")
_PASSWORD = re.compile(r"://[^/@]*:[^/@]*@")
_GLOB = re.compile(r"[*?\[]")
_BACKENDS = {"s3": "'lst-cli[s3]'", "s3a": "'lst-cli[s3]'", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs"}
_WAITS_S = (0.5, 2.0, 8.0)
"""Waits between attempts; the client libraries also retry by themselves."""

_STAMPS = ("ETag", "etag", "generation", "blob_id", "md5", "mtime", "LastModified", "last_modified", "created")
"""What file systems call a value that changes when a file is written again; the first that is there is used."""

_FORBIDDEN = ("AccessDenied", "Forbidden", "NoCredentials", "credentials", "InvalidAccessKeyId", "SignatureDoesNot")


def is_url(text: str) -> bool:
    """Whether this is a URL and not a path or reference."""
    return _URL.match(text) is not None


def refuse_password(url: str) -> None:
    """:raises UserError: a URL holds a password, which manifests would record."""
    if _PASSWORD.search(url):
        raise UserError(
            f"{_PASSWORD.sub('://***@', url)}: a URL with a password",
            fix="give credentials by the environment (AWS_ACCESS_KEY_ID, ~/.aws), which no manifest records",
        )


class Truncated(OSError):
    """Fewer bytes came than were asked for."""


class NoSuchObject(UserError):
    """There is no file of this name."""


class ObjectFacts(NamedTuple):
    """What a store says about a file without its contents."""

    bytes: int
    stamp: str
    """Changes when the file is written again: the ETag or generation of an object, the time of a file on a disk."""

    def __str__(self) -> str:
        return f"{self.bytes:,} bytes, {self.stamp}"


@dataclass(frozen=True)
class Remote:
    """A folder behind a URL. Object stores have no folders: it exists if there is an object below it."""

    url: str
    """Without a slash at the end."""

    @classmethod
    def of(cls, url: str) -> Remote:
        """The folder of a URL; nothing is read yet.

        :raises UserError: fsspec or its backend for this URL is not installed, or the URL holds a password.
        """
        refuse_password(url)
        remote = cls(url.rstrip("/"))
        remote._opened()
        return remote

    def __truediv__(self, name: str) -> Remote:
        return Remote(f"{self.url}/{name}")

    def _opened(self) -> tuple[Any, str]:
        """The file system (fsspec keeps one for each set of options) and the path in it."""
        scheme = self.url.partition("://")[0]
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise UserError(f"{self.url}: URLs need fsspec", fix="pip install fsspec") from None
        try:
            fs, path = url_to_fs(self.url, use_listings_cache=False)
        except ImportError as error:
            fix = f"pip install {_BACKENDS[scheme]}" if scheme in _BACKENDS else "install the package that is named"
            raise UserError(f"{self.url}: no backend for {scheme}://", found=str(error), fix=fix) from None
        except ValueError as error:
            raise UserError(f"{self.url}: can't be opened", found=str(error), expected="s3://…, gs://…, …") from None
        return fs, path

    def _retried(self, name: str, action: Callable[[Any, str], T]) -> T:
        """The result of an action on the file system and a path, after some attempts if need be."""
        fs, folder = self._opened()
        path = f"{folder}/{name}" if name else folder
        with storage_errors(f"{self.url}/{name}" if name else self.url):
            for wait in _WAITS_S:
                try:
                    return action(fs, path)
                except Exception as error:  # each backend has errors of its own
                    if not is_transient(error):
                        raise
                    warn(f"{self.url}/{name}: {_words(error)}; trying again in {wait:g} s")
                time.sleep(wait)
            return action(fs, path)

    def read(self, name: str) -> bytes:
        """A whole file.

        :raises UserError: there is none, or it may not be read.
        :raises LstError: the store can't be reached.
        """
        return self._retried(name, lambda fs, path: bytes(fs.cat_file(path)))

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """The bytes of a file from ``start`` to ``stop`` (exclusive).

        :raises UserError, LstError: as :meth:`read`.
        """

        def action(fs: Any, path: str) -> bytes:
            data = bytes(fs.cat_file(path, start=start, end=stop))
            if len(data) != stop - start:
                raise Truncated(f"{len(data)} of {stop - start} bytes came")
            return data

        return self._retried(name, action)

    def exists(self, name: str) -> bool:
        """Whether there is such a file.

        :raises UserError, LstError: the store does not say: access is refused, or it can't be reached.
        """

        def action(fs: Any, path: str) -> bool:
            try:
                return bool(fs.info(path)["type"] == "file")  # fs.isfile() takes any failure for a no
            except FileNotFoundError:
                return False

        return self._retried(name, action)

    def read_all(self, names: Sequence[str]) -> list[bytes]:
        """Several small files at once, in the order of their names.

        :raises UserError, LstError: as :meth:`read`.
        """
        fs, folder = self._opened()
        plain = [name for name in names if not _GLOB.search(name)]  # cat() takes patterns
        with storage_errors(self.url):
            found = fs.cat([f"{folder}/{name}" for name in plain], on_error="return") if len(plain) > 1 else {}
        read = {name: found.get(f"{folder}/{name}") for name in names}
        return [data if isinstance(data, bytes) else self.read(name) for name, data in read.items()]

    def facts(self, name: str) -> ObjectFacts:
        """Size and stamp of a file.

        :raises UserError, LstError: as :meth:`read`.
        """

        def action(fs: Any, path: str) -> ObjectFacts:
            info = fs.info(path)
            if info["type"] != "file":
                raise FileNotFoundError(path)
            return _facts_of(info)

        return self._retried(name, action)

    def folders(self) -> list[str]:
        """Names of the folders directly below, sorted; none if this one does not exist."""
        return sorted(name for name, facts in self.entries().items() if facts is None)

    def files_below(self) -> dict[str, ObjectFacts]:
        """Every file below at any depth, by its path from here, in one listing; none if this one does not exist."""

        def action(fs: Any, path: str) -> dict[str, ObjectFacts]:
            found = fs.find(path, detail=True)
            start = len(path.rstrip("/")) + 1
            return {name[start:]: _facts_of(info) for name, info in sorted(found.items()) if info["type"] == "file"}

        return self._retried("", action)

    def entries(self) -> dict[str, ObjectFacts | None]:
        """The files directly below, and folders (None); nothing if this one does not exist."""

        def action(fs: Any, path: str) -> dict[str, ObjectFacts | None]:
            try:
                found = fs.ls(path, detail=True)
            except FileNotFoundError:
                if "/" in path.strip("/"):
                    return {}
                raise  # the bucket itself
            return {
                info["name"].rstrip("/").rpartition("/")[2]: None if info["type"] == "directory" else _facts_of(info)
                for info in found
                if info["name"].rstrip("/") != path.rstrip("/")
            }

        return self._retried("", action)

    def put(self, file: Path, name: str) -> None:
        """Upload a file: the object is whole or absent."""
        self._retried(name, lambda fs, path: _put(fs, file, path))

    def put_bytes(self, data: bytes, name: str) -> None:
        """Write a small file: whole or absent."""
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            file = Path(folder) / "data"
            file.write_bytes(data)
            self.put(file, name)

    def get(self, name: str, file: Path, size: int) -> None:
        """Download a file of ``size`` bytes; after an error there may be a part of it.

        :raises UserError, LstError: as :meth:`read`.
        """

        def action(fs: Any, path: str) -> None:
            fs.get_file(path, str(file))
            if file.stat().st_size != size:
                raise Truncated(f"{file.stat().st_size} of {size} bytes came")

        self._retried(name, action)

    def remove(self, name: str) -> None:
        """Remove a file that exists."""
        self._retried(name, lambda fs, path: fs.rm_file(path))


def _facts_of(info: Mapping[str, Any]) -> ObjectFacts:
    stamp = next((str(info[key]) for key in _STAMPS if info.get(key)), "no stamp")
    return ObjectFacts(int(info["size"] or 0), stamp.strip('"'))


def _put(fs: Any, file: Path, path: str) -> None:
    if "file" not in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol):
        fs.put_file(str(file), path)
        return
    unfinished = f"{path}.{os.getpid()}.tmp"  # object stores write whole objects, disks don't
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    fs.put_file(str(file), unfinished)
    Path(unfinished).replace(path)


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed in a moment."""
    permanent = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, UserError, ValueError)
    return not isinstance(error, permanent) and not _is_forbidden(error) and not is_disk_full(error)


def _is_forbidden(error: BaseException) -> bool:
    text = f"{type(error).__name__}: {error}"
    return isinstance(error, PermissionError) or any(word in text for word in _FORBIDDEN)


def _words(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn the errors of a file system into ones that name the URL.

    :raises UserError: there is no such object, or access is refused.
    :raises LstError: the store can't be reached, or fails.
    """
    try:
        yield
    except LstError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise NoSuchObject(f"{url}: no such object", fix="check bucket and name") from None
    except Exception as error:
        if isinstance(error, (MemoryError, TypeError, AttributeError, KeyError)) or is_disk_full(error):
            raise
        found = _words(error)
        if _is_forbidden(error):
            fix = "give credentials that may do this (for S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws)"
            raise UserError(f"{url}: access denied", found=found, fix=fix) from None
        raise LstError(
            f"{url}: the store failed, or can't be reached",
            found=found,
            fix="run the same command again when it can be reached (for S3, AWS_ENDPOINT_URL is its address)",
        ) from None
