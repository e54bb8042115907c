"""The store: ``ROOT/KIND/NAME/VERSION/``, built atomically, one builder at a time.

Next to the versions of a name is a link, ``current``, to the version that was requested last. So re-running an older
config makes its version current again for later stages.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lst_cli.artifacts.draft import Draft, sync_folder
from lst_cli.artifacts.lock import Lock, exclusive, remove_locks_of_the_dead, try_lock
from lst_cli.artifacts.manifest import MANIFEST, Artifact, Kind, Request, check_kind, read_manifest
from lst_cli.artifacts.paths import CURRENT, helper_lock_files, is_name, is_path, lock_file, temporary, working_folder
from lst_cli.console import warn
from lst_cli.errors import UserError
from lst_cli.storage.remote import is_url


@dataclass(frozen=True)
class Built:
    """The result of :meth:`Store.build`."""

    artifact: Artifact
    fresh: bool
    """Whether it was made just now; False if it was up to date."""


class Store:
    """All artifacts below one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._warned: set[Path] = set()

    def folder(self, request: Request) -> Path:
        """Where the requested artifact is, or will be."""
        return self.root / request.kind.name / request.name / request.version

    def working_folder(self, request: Request) -> Path:
        """Where the requested artifact is made; finished parts are in ``parts`` below it.

        Other processes may add parts there; only the one inside :meth:`build` may do anything else.
        """
        return working_folder(self.folder(request))

    def existing(self, request: Request) -> Artifact | None:
        """The requested artifact, if it exists.

        :raises UserError: its manifest is damaged.
        """
        return self._existing(self.folder(request))

    def _existing(self, folder: Path) -> Artifact | None:
        return read_manifest(folder) if (folder / MANIFEST).is_file() else None

    def build(self, request: Request, make: Callable[[Draft], None], command: Sequence[str] = ()) -> Built:
        """Return the requested artifact; call ``make`` to fill a draft only if it does not exist.

        :param command: the command line, for the manifest.
        :raises UserError: the root is not writable, something else is in the artifact's place, or ``make`` raises it.
        """
        folder = self.folder(request)

        def fill(draft: Draft) -> Artifact:
            make(draft)
            return request.made(folder, draft.finish(), draft.statistics, command)

        return self.place(folder, fill)

    def place(self, folder: Path, fill: Callable[[Draft], Artifact]) -> Built:
        """Return the artifact in a folder of this store, and make it current; call ``fill`` only if there is none.

        :param fill: writes the data files of a draft and returns the manifest.
        :raises UserError: as :meth:`build`.
        """
        built = self._placed(folder, fill)
        _make_current(built.artifact.path)
        return built

    def _placed(self, folder: Path, fill: Callable[[Draft], Artifact]) -> Built:
        found = self._existing(folder)
        if found is not None:
            _clear(folder)
            return Built(found, fresh=False)
        self._check_writable(folder.parent)
        with exclusive(lock_file(folder), "/".join(folder.parts[-3:-1])) as lock:
            found = self._existing(folder)  # another process may have made it while this one waited
            if found is not None:
                return Built(found, fresh=False)
            _check_free(folder)
            return Built(_made(folder, fill, lock), fresh=True)

    def _check_writable(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise UserError(
                f"{self.root}: the artifact root is not writable",
                found=str(error),
                fix="give a writable folder with --root or LST_ROOT",
            ) from None

    def find(self, reference: str, kind: Kind) -> Artifact:
        """The artifact that a reference names: ``KIND/NAME``, ``KIND/NAME/VERSION`` or a path.

        ``KIND/NAME`` is the version that :meth:`build` was asked for last. ``KIND/NAME`` and ``KIND/NAME/VERSION`` are
        below the root; a path begins with ``/``, ``./`` or ``../``.

        :raises UserError: there is none, or it has another kind or a schema version that this ``lst`` does not read.
        """
        return check_kind(self.find_any(reference), kind)

    def find_any(self, reference: str) -> Artifact:
        """Like :meth:`find`, for any kind and schema version."""
        if is_path(reference):
            return read_manifest(_resolved(Path(reference)))
        parts = self.split(reference)
        folder = self.root.joinpath(*parts)
        found = None
        if len(parts) == 2:
            found = self._current(folder)
        elif (folder / MANIFEST).is_file():
            found = read_manifest(_resolved(folder))
        if found is None:
            raise self._no_such(reference, parts[0])
        return found

    def split(self, reference: str) -> list[str]:
        """The parts of ``KIND/NAME`` or ``KIND/NAME/VERSION``.

        :raises UserError: it is not such a reference.
        """
        parts = reference.rstrip("/").split("/")
        if len(parts) not in (2, 3) or not all(map(is_name, parts)):
            raise self._no_such(reference, parts[0])
        return parts

    def _no_such(self, reference: str, kind: str) -> UserError:
        known = ", ".join(sorted({f"{a.kind}/{a.name}" for a in self.all() if a.kind == kind}))
        here = not is_path(reference) and (Path(reference) / MANIFEST).is_file()
        return UserError(
            f"{reference}: no such artifact",
            found=f"{kind}: {known}" if known else f"no artifact of that kind in {self.root}",
            expected="KIND/NAME or KIND/NAME/VERSION below the root, or a path that begins with /, ./ or ../",
            fix=_fix(reference, here),
        )

    def all(self) -> Iterator[Artifact]:
        """Every artifact below the root, by kind, name and time; a warning for each whose manifest is damaged."""
        for name in self.name_folders():
            yield from sorted(self._versions(name), key=lambda artifact: artifact.created)

    def current(self) -> Iterator[Artifact]:
        """For every name the version that ``KIND/NAME`` means, by kind and name."""
        for name in self.name_folders():
            try:
                found = self._current(name)
            except UserError as error:
                self._warn_once(name / CURRENT, error)
                continue
            if found is not None:
                yield found

    def name_folders(self) -> Iterator[Path]:
        """Every ``ROOT/KIND/NAME``."""
        for kind in _folders(self.root):
            yield from _folders(kind)

    def version_folders(self, name: Path) -> list[Path]:
        """Every folder of a version below ``ROOT/KIND/NAME``, whole or not."""
        # A tool that copies links as what they point to leaves a second copy of a version under the link's name.
        return [folder for folder in _folders(name) if folder.name != CURRENT]

    def _current(self, folder: Path) -> Artifact | None:
        """The version that was requested last; the newest where the link is missing, as after a removal."""
        link = folder / CURRENT
        # A link out of the folder is not followed: KIND/NAME means a version of this name, below this root.
        if link.is_symlink() and len(link.readlink().parts) == 1 and (link / MANIFEST).is_file():
            return read_manifest(folder / link.readlink())
        return max(self._versions(folder), key=lambda artifact: artifact.created, default=None)

    def _versions(self, folder: Path) -> Iterator[Artifact]:
        for version in self.version_folders(folder):
            if (version / MANIFEST).is_file():
                try:
                    found = read_manifest(version)
                except UserError as error:
                    if (version / MANIFEST).is_file():  # otherwise it was removed during the listing
                        self._warn_once(version, error)
                    continue
                yield found

    def _warn_once(self, folder: Path, error: UserError) -> None:
        if folder not in self._warned:
            self._warned.add(folder)
            warn(f"skipped: {error.what} ({error.found})")


def _fix(reference: str, here: bool) -> str:
    if is_url(reference):
        return f"get it with 'lst pull {reference}', and name it as KIND/NAME"
    return f"for the folder here, give ./{reference}" if here else "run 'lst artifact ls', or give another --root"


def _made(folder: Path, fill: Callable[[Draft], Artifact], lock: Lock) -> Artifact:
    """Fill a draft and rename it to ``folder``, whole; after a failure only finished parts stay."""
    work = working_folder(folder)
    try:
        draft = Draft(work)
        artifact = fill(draft)
        text = json.dumps(artifact.to_json(), indent=2, ensure_ascii=False)
        (draft.path / MANIFEST).write_text(text + "\n", encoding="utf-8")
        for path in [draft.path / MANIFEST, *draft.path.rglob("*")]:
            sync_folder(path)
        sync_folder(draft.path)
        lock.check()
        draft.path.rename(folder)
        sync_folder(folder.parent)
    except BaseException:
        _keep_parts_only(work)
        raise
    shutil.rmtree(work, ignore_errors=True)
    remove_locks_of_the_dead(helper_lock_files(folder))
    return artifact


def _folders(folder: Path) -> list[Path]:
    """The visible folders below one, sorted; links are not followed."""
    try:
        paths = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(path for path in paths if path.is_dir() and not path.is_symlink() and not path.name.startswith("."))


def _resolved(folder: Path) -> Path:
    """The version that a link such as ``current`` points to: code that removes an artifact must not see the link."""
    return folder.resolve() if folder.is_symlink() else folder


def _check_free(folder: Path) -> None:
    """Check before the work that its result can be renamed to ``folder``.

    :raises UserError: something is there.
    """
    if folder.is_symlink() or not folder.exists():
        found = "a link" if folder.is_symlink() else None
    else:
        found = "a folder without a manifest" if folder.is_dir() and any(folder.iterdir()) else None
        found = found if folder.is_dir() else "a file"
    if found is not None:
        raise UserError(
            f"{folder}: the artifact can't be made here",
            found=found,
            expected="nothing",
            fix=f"run 'lst artifact rm --force {'/'.join(folder.parts[-3:])}', or move it elsewhere",
        )


def _clear(folder: Path) -> None:
    """Remove what a process left that was killed after its artifact was complete."""
    leftovers = (working_folder(folder), lock_file(folder))
    if any(path.exists() for path in leftovers):
        with suppress(OSError), try_lock(lock_file(folder)) as lock:
            if lock is not None:
                shutil.rmtree(leftovers[0], ignore_errors=True)
    remove_locks_of_the_dead(helper_lock_files(folder))


def _make_current(version: Path) -> None:
    """Make ``KIND/NAME`` mean this version."""
    link = version.with_name(CURRENT)
    if link.is_symlink() and str(link.readlink()) == version.name:
        return
    new = temporary(link)
    try:
        new.unlink(missing_ok=True)
        new.symlink_to(version.name)
        new.replace(link)
    except OSError as error:
        warn(f"{version.parent}: can't make {version.name} the current version ({error.strerror}); name it in full")


def _keep_parts_only(work: Path) -> None:
    """After a failure: keep finished parts for the next attempt, remove everything unfinished."""
    shutil.rmtree(work / "data", ignore_errors=True)
    parts = work / "parts"
    if not parts.is_dir() or not any(parts.iterdir()):
        shutil.rmtree(work, ignore_errors=True)
