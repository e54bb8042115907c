"""Checks of artifacts: verify, lineage."""

from __future__ import annotations

from collections.abc import Iterator

from lst_cli.artifacts.draft import sync_and_sum
from lst_cli.artifacts.manifest import MANIFEST, Artifact, read_manifest
from lst_cli.artifacts.removal import unknown_files
from lst_cli.artifacts.store import Store
from lst_cli.console import progress
from lst_cli.errors import UserError


def verify(artifact: Artifact) -> list[str]:
    """Recompute every checksum; return a line for each file that is missing, changed or unknown."""
    problems = []
    with progress(f"verify {artifact.reference}", len(artifact.files), "files") as bar:
        for record in artifact.files:
            path = artifact.path / record.path
            if not path.is_file():
                problems.append(f"{path} is missing")
            else:
                size, digest = sync_and_sum(path)
                if digest != record.sha256:
                    problems.append(f"{path} differs ({size} bytes, {record.bytes} in the manifest)")
            bar.advance()
    return problems + [f"{artifact.path / name} is not in the manifest" for name in unknown_files(artifact)]


def verify_all(store: Store) -> tuple[int, list[str]]:
    """Verify every artifact of a store: how many there are, and the problems, damaged manifests included."""
    n, problems = 0, []
    for name in store.name_folders():
        for folder in store.version_folders(name):
            if not (folder / MANIFEST).is_file():
                continue
            n += 1
            try:
                problems += verify(read_manifest(folder))
            except UserError as error:
                problems.append(f"{error.what} ({error.found})")
    return n, problems


def lineage(store: Store, artifact: Artifact) -> Iterator[tuple[int, str, str, bool]]:
    """(depth, role, reference, present on disk) for an artifact and everything it was made from.

    The parents of an artifact follow its first mention only, so the list is no longer than the number of links.

    :raises UserError: an artifact is among its own ancestors: a manifest is damaged.
    """
    told: set[str] = set()
    open_: list[str] = []
    stack: list[tuple[int, str, str, Artifact | None]] = [(0, "", artifact.reference, artifact)]
    while stack:
        depth, role, reference, found = stack.pop()
        del open_[depth:]
        if reference in open_:
            raise UserError(
                f"{reference}: the artifact is among its own ancestors",
                found=" <- ".join([*open_[open_.index(reference) :], reference]),
                fix="run 'lst artifact verify', and make the artifacts with a damaged manifest again",
            )
        open_.append(reference)
        yield depth, role, reference, found is not None
        if found is None or reference in told:
            continue
        told.add(reference)
        for parent_role, parent in reversed(list(found.parents.items())):
            there = (store.root / parent.reference / MANIFEST).is_file()
            next_ = store.find_any(parent.reference) if there else None
            reference = parent.reference if there or parent.url is None else parent.url
            stack.append((depth + 1, parent_role, reference, next_))
