"""Artifacts in a bucket: ``URL/KIND/NAME/VERSION/``, as below a root. A version without its manifest does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from lst_cli.artifacts.manifest import MANIFEST, Artifact, FileRecord, Kind, Parent, check_kind, parse_manifest
from lst_cli.artifacts.paths import is_name
from lst_cli.artifacts.store import Store
from lst_cli.console import warn
from lst_cli.errors import UserError
from lst_cli.storage.remote import Remote, is_url

_AT_ONCE = 16
"""Concurrent requests."""


@dataclass(frozen=True, kw_only=True)
class BucketArtifact(Artifact):
    """An artifact whose files are in a bucket."""

    url: str

    @property
    def remote(self) -> Remote:
        """Its folder."""
        return Remote(self.url)

    def records(self, pattern: str) -> list[FileRecord]:
        """The data files that match a glob, sorted by name as :meth:`Artifact.data_files` does."""
        return [record for record in self.files if fnmatch(record.path, pattern)]

    def file(self, name: str) -> Path:
        """:raises UserError: files of a bucket have no path."""
        raise UserError(f"{self.url}/{name}: not a file of this machine", fix=f"lst pull {self.url}")

    def as_parent(self) -> Parent:
        """With its URL."""
        return replace(super().as_parent(), url=self.url)

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain data."""
        data = super().to_json()
        del data["url"]
        return data


def artifacts_below(root: Remote) -> Iterator[BucketArtifact]:
    """Every artifact below a root, by kind, name and time; a warning for each whose manifest is damaged."""
    for kind in filter(is_name, root.folders()):
        for name in filter(is_name, (root / kind).folders()):
            yield from _versions(root / kind / name)


def newest(artifacts: list[BucketArtifact]) -> set[str]:
    """References of the newest version of every name, which ``KIND/NAME`` means: a bucket has no link ``current``."""
    found = {(item.kind, item.name): item.reference for item in sorted(artifacts, key=lambda item: item.created)}
    return set(found.values())


def find_in_bucket(url: str) -> BucketArtifact:
    """The artifact at ``URL/KIND/NAME/VERSION``, or the newest at ``URL/KIND/NAME``.

    :raises UserError: there is none.
    """
    remote = Remote.of(url)
    found = _at(remote) or max(_versions(remote), key=lambda item: item.created, default=None)
    if found is None:
        raise UserError(
            f"{remote.url}: no artifact",
            found=f"no {MANIFEST}",
            expected="URL/KIND/NAME or URL/KIND/NAME/VERSION, as 'lst push KIND/NAME URL' writes it",
            fix="run 'lst --root URL artifact ls'",
        )
    return found


def find_anywhere(store: Store, reference: str, kind: Kind) -> Artifact:
    """An artifact below the root by its reference, or in a bucket by its URL.

    :raises UserError: there is none, or it has another kind or a schema version that this ``lst`` does not read.
    """
    return check_kind(find_in_bucket(reference), kind) if is_url(reference) else store.find(reference, kind)


def parent_in_bucket(artifact: Artifact, parent: Parent) -> BucketArtifact | None:
    """The parent of an artifact in a bucket, if it was pushed to the same URL."""
    if not isinstance(artifact, BucketArtifact):
        return None
    return _at(Remote(artifact.url.removesuffix(artifact.reference) + parent.reference))


def _versions(name: Remote) -> Iterator[BucketArtifact]:
    """The versions of a name, the oldest first."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda version: _or_warning(name / version), filter(is_name, name.folders())))
    yield from sorted((item for item in found if item is not None), key=lambda item: item.created)


def _or_warning(folder: Remote) -> BucketArtifact | None:
    try:
        return _at(folder)
    except UserError as error:
        warn(f"skipped: {error.what} ({error.found})")
        return None


def _at(folder: Remote) -> BucketArtifact | None:
    """The artifact in a folder; None if there is none.

    :raises UserError: its manifest is damaged, or that of another artifact.
    """
    if not folder.exists(MANIFEST):
        return None
    name = f"{folder.url}/{MANIFEST}"
    artifact = parse_manifest(Path(folder.url), folder.read(MANIFEST), name)
    if not folder.url.endswith(f"/{artifact.reference}") or artifact.version != artifact.fingerprint[:12]:
        raise UserError(f"{name}: not the manifest of this folder", found=artifact.reference)
    return BucketArtifact(**vars(artifact), url=folder.url)
