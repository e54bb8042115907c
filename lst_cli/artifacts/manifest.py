"""The manifest of an artifact, ``artifact.json``, and the request that identifies the artifact before it exists."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any

from lst_cli.artifacts.paths import LONGEST_NAME, is_name
from lst_cli.errors import UserError
from lst_cli.json_text import parse_json
from lst_cli.version import __version__

MANIFEST = "artifact.json"


@dataclass(frozen=True)
class Kind:
    """A kind of artifact, and the schema version that this ``lst`` reads and writes."""

    name: str
    schema: int


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """One data file of an artifact."""

    path: str
    """Relative to the artifact's folder, with forward slashes."""
    bytes: int
    rows: int | None
    """Rows, for a Parquet file."""
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Parent:
    """An artifact that another one was made from."""

    kind: str
    name: str
    version: str
    fingerprint: str
    url: str | None = None
    """Where it was read from, if not below the root."""

    @property
    def reference(self) -> str:
        """``KIND/NAME/VERSION``, as commands take it."""
        return f"{self.kind}/{self.name}/{self.version}"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A whole artifact on disk."""

    path: Path
    kind: str
    schema: int
    name: str
    version: str
    fingerprint: str
    created: str
    lst_version: str
    config: Mapping[str, Any]
    parents: Mapping[str, Parent]
    files: tuple[FileRecord, ...]
    statistics: Mapping[str, Any]
    command: tuple[str, ...] = ()
    """The command line that made it, without the program; empty in artifacts of older versions of ``lst``. It is not
    part of the fingerprint."""

    @property
    def reference(self) -> str:
        """``KIND/NAME/VERSION``, as commands take it."""
        return f"{self.kind}/{self.name}/{self.version}"

    def file(self, name: str) -> Path:
        """The path of a data file.

        :raises UserError: the artifact has no such file, or it is missing on disk.
        """
        path = self.path / name
        if not path.is_file():
            raise UserError(
                f"{self.reference}: the file {name} is missing",
                found=f"no {path}",
                fix=f"remove the artifact with 'lst artifact rm {self.reference}' and make it again",
            )
        return path

    def data_files(self, pattern: str) -> list[Path]:
        """Paths of the data files that match a glob such as ``shard-*.parquet``, sorted by name."""
        from fnmatch import fnmatch

        return [self.file(record.path) for record in self.files if fnmatch(record.path, pattern)]

    def as_parent(self) -> Parent:
        """How the manifests of artifacts made from this one refer to it."""
        return Parent(kind=self.kind, name=self.name, version=self.version, fingerprint=self.fingerprint)

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain data."""
        data = asdict(self)
        del data["path"]
        for parent in data["parents"].values():
            if parent["url"] is None:
                del parent["url"]
        return data


@dataclass(frozen=True, kw_only=True)
class Request:
    """An artifact's identity, known before it is made.

    The fingerprint is a hash of kind, schema, config and the parents' fingerprints. So the same request always finds
    the same artifact, and a changed request makes a new version next to it.
    """

    kind: Kind
    name: str
    config: Mapping[str, Any]
    parents: Mapping[str, Artifact] = field(default_factory=dict)
    hashed: Mapping[str, Any] | None = None
    """The config that the fingerprint is computed from, if keys were renamed since; by default ``config``."""

    def __post_init__(self) -> None:
        if not is_name(self.name):
            shown = self.name if len(self.name) <= 50 else f"{self.name[:50]}…"
            raise UserError(
                f"--name {shown!r}: not a valid artifact name",
                found=f"{len(self.name.encode('utf-8', 'replace'))} bytes",
                expected=f"1 to {LONGEST_NAME} bytes: letters, digits, '.', '_' and '-', not starting with '.' or '-'",
            )

    @property
    def fingerprint(self) -> str:
        """sha256 over kind, schema, config and parents' fingerprints."""
        identity = {
            "kind": self.kind.name,
            "schema": self.kind.schema,
            "config": self.config if self.hashed is None else self.hashed,
            "parents": {role: parent.fingerprint for role, parent in self.parents.items()},
        }
        text = json.dumps(identity, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def version(self) -> str:
        """The folder name below ``KIND/NAME``."""
        return self.fingerprint[:12]

    def made(
        self, path: Path, files: tuple[FileRecord, ...], statistics: Mapping[str, Any], command: Sequence[str]
    ) -> Artifact:
        """The manifest of the artifact, made now."""
        return Artifact(
            path=path,
            kind=self.kind.name,
            schema=self.kind.schema,
            name=self.name,
            version=self.version,
            fingerprint=self.fingerprint,
            created=datetime.now(timezone.utc).isoformat(timespec="microseconds"),
            lst_version=__version__,
            config=self.config,
            parents={role: parent.as_parent() for role, parent in self.parents.items()},
            files=files,
            statistics=statistics,
            command=tuple(command),
        )


def read_manifest(folder: Path) -> Artifact:
    """Read the manifest of the artifact in ``folder``.

    :raises UserError: the folder holds no artifact, or its manifest is damaged.
    """
    path = folder / MANIFEST
    try:
        return parse_manifest(folder, path.read_bytes(), str(path))
    except FileNotFoundError:
        raise UserError(
            f"{folder}: not an artifact",
            found=f"no {MANIFEST}",
            fix="run 'lst artifact ls' for a list of artifacts; 'lst import' makes one from an exported model",
        ) from None


def parse_manifest(folder: Path, text: bytes, name: str) -> Artifact:
    """The artifact in ``folder``, by the text of its manifest.

    :param name: what errors call the manifest.
    :raises UserError: it is damaged.
    """
    try:
        return _artifact(folder, parse_json(text.decode("utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{name}: the manifest is damaged, or was written by a newer lst",
            found=f"{type(error).__name__}: {error}",
            expected=f"a manifest that lst {__version__} can read",
            fix="use the lst that wrote it; or remove it with 'lst artifact rm --force KIND/NAME/VERSION' and make it "
            "again",
        ) from None


_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("kind", "name", "version", "fingerprint", "created", "lst_version"), str),
    "schema": int,
    "config": dict,
    "parents": dict,
    "files": list,
    "statistics": dict,
    "command": list,
}


def _artifact(folder: Path, data: dict[str, Any]) -> Artifact:
    """Check and convert a manifest's JSON.

    :raises ValueError, TypeError, KeyError, AttributeError: it is damaged.
    """
    for key, value in data.items():
        if not isinstance(value, _TYPES.get(key, object)):
            raise TypeError(f"{key} is {type(value).__name__}, not {_TYPES[key].__name__}")
    data["parents"] = {role: Parent(**parent) for role, parent in data["parents"].items()}
    data["files"] = tuple(FileRecord(**record) for record in data["files"])
    data["command"] = tuple(map(str, data.get("command", ())))
    artifact = Artifact(path=folder, **data)
    parts: list[Artifact | Parent] = [artifact, *artifact.parents.values()]
    for part in parts:
        if not all(map(is_name, (part.kind, part.name, part.version))):
            raise ValueError(f"{part.reference!r} is not KIND/NAME/VERSION")
        if part is not artifact and part.fingerprint == artifact.fingerprint:
            raise ValueError("the artifact is its own parent")
    for record in artifact.files:
        inner = PurePosixPath(record.path)
        if inner.is_absolute() or ".." in inner.parts:
            raise ValueError(f"{record.path!r} is not a path inside the artifact")
    return artifact


def check_kind(artifact: Artifact, kind: Kind) -> Artifact:
    """Return the artifact if it has this kind and a schema version that this ``lst`` reads.

    :raises UserError: it has another kind or another schema version.
    """
    if artifact.kind != kind.name:
        raise UserError(f"{artifact.reference}: the wrong kind of artifact", found=artifact.kind, expected=kind.name)
    if artifact.schema != kind.schema:
        newer = artifact.schema > kind.schema
        raise UserError(
            f"{artifact.reference}: unsupported schema version",
            found=f"schema {artifact.schema}, written by lst {artifact.lst_version}",
            expected=f"schema {kind.schema}, which lst {__version__} reads and writes",
            fix=f"use lst {artifact.lst_version}{' or later' if newer else ''}, or make the artifact again",
        )
    return artifact
