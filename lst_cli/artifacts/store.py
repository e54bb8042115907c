"""The store: ``ROOT/KIND/NAME/VERSION/``, built atomically, one builder at a time.

Beside the versions of a name lies a link, ``current``, to the one that was asked for last: who goes back to an older
config goes on with the older version in every later stage, and not with the newest.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from lst_cli.artifacts.draft import Draft, sync_folder
from lst_cli.artifacts.manifest import MANIFEST, Artifact, Kind, Request, check_kind, read_manifest
from lst_cli.console import say, warn
from lst_cli.errors import UserError
from lst_cli.version import __version__

CURRENT = "current"
"""The link to the version that was asked for last."""


@dataclass(frozen=True)
class Built:
    """What :meth:`Store.build` gives back."""

    artifact: Artifact
    fresh: bool
    """Made just now; False when it was up to date."""


class Store:
    """All artifacts below one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, request: Request) -> Path:
        """Where the requested artifact is, or will be."""
        return self.root / request.kind.name / request.name / request.version

    def working_folder(self, request: Request) -> Path:
        """Where the requested artifact is being made: finished parts lie in ``parts`` below it.

        Other processes may add parts there; only the one inside :meth:`build` may do anything else.
        """
        return self.folder(request).with_name(f".{request.version}.partial")

    def existing(self, request: Request) -> Artifact | None:
        """The requested artifact, if it has been made."""
        folder = self.folder(request)
        return read_manifest(folder) if (folder / MANIFEST).is_file() else None

    def build(self, request: Request, make: Callable[[Draft], None]) -> Built:
        """Return the requested artifact; call ``make`` to fill a draft only if it does not exist.

        :raises UserError: the root can't be written, or whatever ``make`` raises.
        """
        built = self._build(request, make)
        _make_current(built.artifact.path)
        return built

    def _build(self, request: Request, make: Callable[[Draft], None]) -> Built:
        work = self.working_folder(request)
        found = self.existing(request)
        if found is not None:
            # What a process left behind that was killed after its artifact was complete.
            shutil.rmtree(work, ignore_errors=True)
            return Built(found, fresh=False)
        folder = self.folder(request)
        self._check_writable(folder.parent)
        with _locked(work):
            found = self.existing(request)  # another process may have made it while this one waited
            if found is not None:
                return Built(found, fresh=False)
            return Built(self._make(request, make, work, folder), fresh=True)

    def _check_writable(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise UserError(
                f"{self.root}: the artifact root can't be written",
                found=str(error),
                fix="give a folder that you may write to with --root or LST_ROOT",
            ) from None

    def _make(self, request: Request, make: Callable[[Draft], None], work: Path, folder: Path) -> Artifact:
        try:
            draft = Draft(work)
            make(draft)
            artifact = Artifact(
                path=folder,
                kind=request.kind.name,
                schema=request.kind.schema,
                name=request.name,
                version=request.version,
                fingerprint=request.fingerprint,
                created=datetime.now(timezone.utc).isoformat(timespec="microseconds"),
                lst_version=__version__,
                config=request.config,
                parents={role: parent.as_parent() for role, parent in request.parents.items()},
                files=draft.finish(),
                statistics=draft.statistics,
            )
            text = json.dumps(artifact.to_json(), indent=2, ensure_ascii=False)
            (draft.path / MANIFEST).write_text(text + "\n", encoding="utf-8")
            for path in [draft.path / MANIFEST, *draft.path.rglob("*")]:
                sync_folder(path)
            sync_folder(draft.path)
            draft.path.rename(folder)
            sync_folder(folder.parent)
        except BaseException:
            _keep_parts_only(work)
            raise
        shutil.rmtree(work, ignore_errors=True)
        return artifact

    def find(self, reference: str, kind: Kind) -> Artifact:
        """The artifact that a reference names: ``KIND/NAME``, ``KIND/NAME/VERSION`` or a path.

        ``KIND/NAME`` is the version that was asked for last, by :meth:`build`.

        :raises UserError: there is none, it is of another kind, or of a schema this ``lst`` does not read.
        """
        return check_kind(self.find_any(reference), kind)

    def find_any(self, reference: str) -> Artifact:
        """Like :meth:`find`, for any kind and schema."""
        parts = reference.strip("/").split("/")
        for folder in (Path(reference), *([self.root / reference] if len(parts) == 3 else [])):
            if (folder / MANIFEST).is_file():
                # Of a link, as "current" is one, the version behind it: what removes an artifact must not see the link.
                return read_manifest(folder.resolve() if folder.is_symlink() else folder)
        if len(parts) == 2:
            found = self._current(self.root / parts[0] / parts[1])
            if found is not None:
                return found
        known = ", ".join(sorted({f"{a.kind}/{a.name}" for a in self.all() if a.kind == parts[0]}))
        raise UserError(
            f"{reference}: no such artifact",
            found=f"{parts[0]}: {known}" if known else f"none of that kind in {self.root}",
            expected="KIND/NAME, KIND/NAME/VERSION, or the path of an artifact",
            fix="see 'lst artifact ls', or give another --root",
        )

    def all(self) -> Iterator[Artifact]:
        """Every artifact below the root, by kind, name and time."""
        for kind in sorted(_folders(self.root)):
            for name in sorted(_folders(kind)):
                yield from sorted(self._versions(name), key=lambda artifact: artifact.created)

    def current(self) -> Iterator[Artifact]:
        """Of every name, the version that ``KIND/NAME`` means, by kind and name."""
        for kind in sorted(_folders(self.root)):
            for name in sorted(_folders(kind)):
                found = self._current(name)
                if found is not None:
                    yield found

    def _current(self, folder: Path) -> Artifact | None:
        """The version that was asked for last; the newest where no link says it, as after its removal."""
        link = folder / CURRENT
        if link.is_symlink() and (link / MANIFEST).is_file():
            return read_manifest(folder / link.readlink())
        return max(self._versions(folder), key=lambda artifact: artifact.created, default=None)

    def _versions(self, folder: Path) -> Iterator[Artifact]:
        for version in sorted(_folders(folder)):
            # A tool that copies links as what they point to leaves a second copy of a version under the link's name.
            if version.name != CURRENT and (version / MANIFEST).is_file():
                try:
                    found = read_manifest(version)
                except UserError:
                    if (version / MANIFEST).is_file():
                        raise
                    continue  # it was removed while this was listed
                yield found


def _folders(folder: Path) -> list[Path]:
    try:
        paths = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for path in paths if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")]


def _make_current(version: Path) -> None:
    """Let ``KIND/NAME`` mean this version."""
    link = version.with_name(CURRENT)
    if link.is_symlink() and str(link.readlink()) == version.name:
        return
    new = version.with_name(f".{CURRENT}.{os.getpid()}")
    try:
        new.unlink(missing_ok=True)
        new.symlink_to(version.name)
        new.replace(link)
    except OSError as error:
        warn(f"{version.parent}: {version.name} can't be made the current version ({error.strerror}); name it in full")


def _keep_parts_only(work: Path) -> None:
    """After a failure: finished parts stay for the next try, everything half-made goes."""
    shutil.rmtree(work / "data", ignore_errors=True)
    parts = work / "parts"
    if not parts.is_dir() or not any(parts.iterdir()):
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _locked(work: Path) -> Iterator[None]:
    """Make the working folder and hold an exclusive lock on it.

    The kernel frees the lock when the process dies, however it dies. A folder that was finished or removed
    while this process waited for it is no longer the one at that path: then the new one is locked.
    """
    while True:
        work.mkdir(parents=True, exist_ok=True)
        handle = os.open(work, os.O_RDONLY)
        try:
            _wait_for(handle, work)
            if not work.exists() or os.fstat(handle).st_ino != work.stat().st_ino:
                continue
            yield
            return
        finally:
            os.close(handle)


def _wait_for(handle: int, work: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"another process is making {work.parent.parent.name}/{work.parent.name}; waiting for it")
        fcntl.flock(handle, fcntl.LOCK_EX)
