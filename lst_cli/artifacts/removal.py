"""Removes artifacts, in an order in which a kill at any moment leaves a working store."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from lst_cli.artifacts.draft import sync_folder
from lst_cli.artifacts.manifest import MANIFEST, Artifact, read_manifest
from lst_cli.artifacts.paths import CURRENT, is_path
from lst_cli.artifacts.store import Store
from lst_cli.errors import UserError

_REMOVED = ".removed-"
_SHOWN = 5


def remove(store: Store, reference: str, *, force: bool) -> list[str]:
    """Remove one version, or all versions for ``KIND/NAME``; return their references.

    An interrupted removal is completed.

    :param force: also if other artifacts were made from it, if its folder holds files that the manifest does not name,
        or if the manifest is damaged or missing.
    :raises UserError: there is no such artifact below the root, or ``force`` is needed.
    """
    folders = _chosen(store, reference)
    unfinished = _unfinished(store, reference)
    if not folders and not unfinished:
        store.find_any(reference)  # its error lists what there is
        raise UserError(f"{reference}: no version to remove", fix="run 'lst artifact ls' for a list of artifacts")
    if not force:
        for folder in folders:
            _check_contents(folder)
        _check_children(store, reference, folders)
    going = [*unfinished, *map(hide, folders)]
    for name in {path.parent for path in going}:
        remove_dangling(name)
    for hidden in going:
        delete(hidden)
    gone = [folder.name for folder in folders] or sorted({path.name[1:].split(_REMOVED)[0] for path in unfinished})
    kind_and_name = (folders or unfinished)[0].parent
    return [f"{kind_and_name.parent.name}/{kind_and_name.name}/{version}" for version in gone]


def hide(folder: Path) -> Path:
    """Rename a folder to a hidden name, in one step: it is whole before and absent after. Return its new path."""
    hidden = folder.rename(folder.with_name(f".{folder.name.lstrip('.')}{_REMOVED}{time.time_ns():x}"))
    sync_folder(folder.parent)
    return hidden


def delete(folder: Path) -> None:
    """Delete a hidden folder; another process may be deleting it, too."""

    def ignore_missing(function: object, path: str, error: tuple[object, BaseException, object]) -> None:
        if not isinstance(error[1], FileNotFoundError):
            raise error[1]

    shutil.rmtree(folder, onerror=ignore_missing)


def is_hidden(path: Path) -> bool:
    """Whether :func:`hide` named this folder."""
    return path.name.startswith(".") and _REMOVED in path.name


def remove_dangling(folder: Path) -> None:
    """Remove the link to the current version of ``ROOT/KIND/NAME`` if that version is gone."""
    link = folder / CURRENT
    if link.is_symlink() and not link.exists():
        link.unlink(missing_ok=True)


def _chosen(store: Store, reference: str) -> list[Path]:
    """Folders of the versions that a reference means, each directly below its name in the root."""
    root = store.root.resolve()
    if is_path(reference):
        return [_below(root, Path(reference), reference)] if Path(reference).exists() else []
    parts = store.split(reference)
    name = root.joinpath(*parts[:2])
    if len(parts) == 3:
        folder = name / parts[2]
        return [_below(root, folder, reference)] if folder.is_dir() else []
    if name.is_dir() and name.resolve() != name:
        raise _outside(root, reference, name.resolve())
    folders = store.version_folders(name)
    return [folder for folder in folders if (folder / MANIFEST).is_file()]


def _below(root: Path, folder: Path, reference: str) -> Path:
    found = folder.resolve()  # the version that a link such as "current" points to
    if len(found.parts) != len(root.parts) + 3 or found.parents[2] != root or found.name.startswith("."):
        raise _outside(root, reference, found)
    return found


def _outside(root: Path, reference: str, found: Path) -> UserError:
    return UserError(
        f"{reference}: not an artifact of this root, so it is not removed",
        found=str(found),
        expected=f"a folder {root}/KIND/NAME/VERSION",
        fix="give the --root that it belongs to, or remove the folder yourself",
    )


def _check_contents(folder: Path) -> None:
    """Check that a folder holds nothing but its artifact.

    :raises UserError: its manifest is damaged or missing, or does not name all files.
    """
    try:
        artifact = read_manifest(folder)
    except UserError as error:
        raise UserError(
            error.what,
            found=error.found,
            expected="an artifact with its manifest",
            fix="add --force to remove the whole folder",
        ) from None
    extra = unknown_files(artifact)
    if extra:
        more = f" and {len(extra) - _SHOWN} more" if len(extra) > _SHOWN else ""
        raise UserError(
            f"{folder}: files that the manifest does not name",
            found=", ".join(extra[:_SHOWN]) + more,
            fix="move them elsewhere, or add --force to remove them as well",
        )


def unknown_files(artifact: Artifact) -> list[str]:
    """Files and links in an artifact's folder that its manifest does not name."""
    known = {record.path for record in artifact.files} | {MANIFEST}
    below = [Path(folder) / name for folder, _, names in os.walk(artifact.path) for name in names]
    links = [Path(folder) / name for folder, names, _ in os.walk(artifact.path) for name in names]
    paths = (*below, *(path for path in links if path.is_symlink()))
    return sorted({path.relative_to(artifact.path).as_posix() for path in paths} - known)


def _check_children(store: Store, reference: str, folders: Sequence[Path]) -> None:
    """:raises UserError: other artifacts were made from these."""
    everything = list(store.all())
    going = {item.fingerprint for item in everything if item.path.resolve() in folders}
    children = [
        item.reference
        for item in everything
        if item.fingerprint not in going and any(parent.fingerprint in going for parent in item.parents.values())
    ]
    if children:
        raise UserError(
            f"{reference}: other artifacts were made from it",
            found=", ".join(children),
            fix="remove those first, or add --force (their lineage will then have a gap)",
        )


def _unfinished(store: Store, reference: str) -> list[Path]:
    """What an interrupted removal of this reference left."""
    if is_path(reference):
        path = Path(os.path.normpath(Path(reference).absolute()))
        name, version = path.parent, path.name
        if name.parent.parent.resolve() != store.root.resolve():
            return []
    else:
        kind, label, *versions = store.split(reference)
        name, version = store.root / kind / label, "".join(versions)
    # Once a version is hidden, nothing tells whether the link "current" meant it.
    return sorted(name.glob(f".{'*' if version in ('', CURRENT) else version}{_REMOVED}*"))
