"""Looking after artifacts: verify, lineage, remove."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from lst_cli.artifacts.draft import sync_and_sum
from lst_cli.artifacts.manifest import MANIFEST, Artifact
from lst_cli.artifacts.store import CURRENT, Store
from lst_cli.console import progress
from lst_cli.errors import UserError


def verify(artifact: Artifact) -> list[str]:
    """Recompute every sum; return a line for each file that is missing, changed or unknown."""
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
    known = {record.path for record in artifact.files} | {MANIFEST}
    extra = {p.relative_to(artifact.path).as_posix() for p in artifact.path.rglob("*") if p.is_file()} - known
    return problems + [f"{artifact.path / name} is not in the manifest" for name in sorted(extra)]


def lineage(store: Store, artifact: Artifact) -> Iterator[tuple[int, str, str, bool]]:
    """(depth, role, reference, present on disk) for an artifact and all that it was made from."""
    yield from _trace(store, artifact, depth=0, role="")


def _trace(store: Store, artifact: Artifact, depth: int, role: str) -> Iterator[tuple[int, str, str, bool]]:
    yield depth, role, artifact.reference, True
    for parent_role, parent in artifact.parents.items():
        if (store.root / parent.reference / MANIFEST).is_file():
            yield from _trace(store, store.find_any(parent.reference), depth + 1, parent_role)
        else:
            yield depth + 1, parent_role, parent.reference, False


def remove(store: Store, reference: str, *, force: bool) -> list[str]:
    """Remove one version, or with ``KIND/NAME`` all versions; return their references.

    :raises UserError: there is no such artifact, or another one was made from it and ``force`` is off.
    """
    everything = list(store.all())
    found = store.find_any(reference)
    whole_name = reference.strip("/") == f"{found.kind}/{found.name}"
    chosen = (
        [item for item in everything if (item.kind, item.name) == (found.kind, found.name)] if whole_name else [found]
    )
    going = {item.fingerprint for item in chosen}
    children = [
        item.reference
        for item in everything
        if item.fingerprint not in going and any(p.fingerprint in going for p in item.parents.values())
    ]
    if children and not force:
        raise UserError(
            f"{reference}: other artifacts were made from it",
            found=", ".join(children),
            fix="remove those first, or add --force (their lineage will point to nothing)",
        )
    for item in chosen:
        # The manifest goes first: a half-removed artifact must not look whole.
        (item.path / MANIFEST).unlink()
        shutil.rmtree(item.path)
        link = item.path.with_name(CURRENT)
        if link.is_symlink() and not link.exists():
            link.unlink()
    return [item.reference for item in chosen]
