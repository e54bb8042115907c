"""What an artifact is: its manifest ``artifact.json``, and the request that names it before it exists."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lst_cli.errors import UserError
from lst_cli.version import __version__

MANIFEST = "artifact.json"


@dataclass(frozen=True)
class Kind:
    """A kind of artifact and the schema version that this ``lst`` reads and writes."""

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

    @property
    def reference(self) -> str:
        """``KIND/NAME/VERSION``, as commands take it."""
        return f"{self.kind}/{self.name}/{self.version}"

    def file(self, name: str) -> Path:
        """The path of a data file.

        :raises UserError: the artifact has no such file, or it is gone from disk.
        """
        path = self.path / name
        if not path.is_file():
            raise UserError(
                f"{self.reference}: the file {name} is missing",
                found=f"no {path}",
                fix=f"remove it with 'lst artifact rm {self.reference}' and make it again",
            )
        return path

    def data_files(self, pattern: str) -> list[Path]:
        """Paths of the data files that match a glob such as ``shard-*.parquet``, in order of name."""
        from fnmatch import fnmatch

        return [self.file(record.path) for record in self.files if fnmatch(record.path, pattern)]

    def as_parent(self) -> Parent:
        """The artifact as it stands in the manifest of what is made from it."""
        return Parent(kind=self.kind, name=self.name, version=self.version, fingerprint=self.fingerprint)

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain data."""
        data = asdict(self)
        del data["path"]
        return data


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: an artifact's identity, known before it is made.

    The fingerprint is a hash of kind, schema, config and the parents' fingerprints, so the same request always
    finds the same artifact, and a changed one stands beside it.
    """

    kind: Kind
    name: str
    config: Mapping[str, Any]
    parents: Mapping[str, Artifact] = field(default_factory=dict)
    hashed: Mapping[str, Any] | None = None
    """The config as the fingerprint has it, where keys were renamed since; by default ``config``."""

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "._-" for c in self.name) or self.name[0] in ".-":
            raise UserError(
                f"--name {self.name!r} is no name for an artifact",
                expected="letters, digits, '.', '_' and '-', not starting with '.' or '-'",
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


def read_manifest(folder: Path) -> Artifact:
    """Read the manifest of the artifact in ``folder``.

    :raises UserError: the folder holds no artifact, or its manifest is damaged.
    """
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        data["parents"] = {role: Parent(**parent) for role, parent in data["parents"].items()}
        data["files"] = tuple(FileRecord(**record) for record in data["files"])
        return Artifact(path=folder, **data)
    except FileNotFoundError:
        raise UserError(
            f"{folder}: not an artifact", found=f"no {MANIFEST}", fix="see 'lst artifact ls' for what there is"
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path}: the manifest is damaged or of a newer lst",
            found=f"{type(error).__name__}: {error}",
            expected=f"a manifest that lst {__version__} reads",
            fix="make the artifact again, or use the lst that wrote it",
        ) from None


def check_kind(artifact: Artifact, kind: Kind) -> Artifact:
    """Return the artifact if it is of this kind and of a schema this ``lst`` reads.

    :raises UserError: another kind, or another schema version.
    """
    if artifact.kind != kind.name:
        raise UserError(f"{artifact.reference}: the wrong kind of artifact", found=artifact.kind, expected=kind.name)
    if artifact.schema != kind.schema:
        newer = artifact.schema > kind.schema
        raise UserError(
            f"{artifact.reference}: a schema that this lst does not read",
            found=f"schema {artifact.schema}, written by lst {artifact.lst_version}",
            expected=f"schema {kind.schema}, as lst {__version__} reads and writes",
            fix=f"use lst {artifact.lst_version}{' or later' if newer else ''}, or make the artifact again",
        )
    return artifact
