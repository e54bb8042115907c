"""The lineage of artifacts: each ancestor once, parents first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact, Parent, Store
from lst_cli.artifacts.bucket import parent_in_bucket
from lst_cli.artifacts.manifest import MANIFEST


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """One artifact in a lineage."""

    reference: str
    fingerprint: str
    lst_version: str | None
    """None if the artifact was removed."""
    created: str | None
    config: Mapping[str, Any]
    statistics: Mapping[str, Any]
    parents: Sequence[tuple[str, str]]
    """(role, reference) of each parent."""

    @property
    def present(self) -> bool:
        """Whether it is on disk."""
        return self.lst_version is not None


def on_disk(store: Store, parent: Parent | None) -> Artifact | None:
    """The artifact of a parent; None if there is no parent, or it was removed."""
    if parent is None or not (store.root / parent.reference / MANIFEST).is_file():
        return None
    return store.find_any(parent.reference)


def parent_of_kind(store: Store, artifact: Artifact, kind: str) -> Artifact | None:
    """The parent of this kind, in any role; None if there is none, or it was removed."""
    found = (on_disk(store, parent) for parent in artifact.parents.values() if parent.kind == kind)
    return next((parent for parent in found if parent is not None), None)


def nearest_of_kind(store: Store, artifacts: Iterable[Artifact], kind: str) -> Parent | None:
    """The nearest ancestor of this kind, on disk or not; None if there is none.

    Ancestors at the same distance are in the order of the artifacts and their roles. The ancestors of an artifact that
    is missing on disk are unknown, unless one of its children is in a bucket, together with it.
    """
    level, seen = list(artifacts), set[str]()
    while level:
        parents = [
            (child, parent) for child in level for parent in child.parents.values() if parent.reference not in seen
        ]
        for _, parent in parents:
            if parent.kind == kind:
                return parent
        seen.update(parent.reference for _, parent in parents)
        unique = {parent.reference: (child, parent) for child, parent in parents}
        known = (on_disk(store, parent) or parent_in_bucket(child, parent) for child, parent in unique.values())
        level = [found for found in known if found is not None]
    return None


def short(reference: str) -> str:
    """``KIND/NAME`` of a reference, without its version."""
    return "/".join(reference.split("/")[:2])


def ancestors(store: Store, artifacts: Iterable[Artifact]) -> list[Ancestor]:
    """The artifacts and everything they were made from, parents first."""
    found: dict[str, Ancestor] = {}
    entered: set[str] = set()
    stack = [(artifact, False) for artifact in reversed(list(artifacts))]
    while stack:
        artifact, parents_done = stack.pop()
        if parents_done:
            found[artifact.reference] = _present(artifact)
        elif artifact.reference not in entered:
            entered.add(artifact.reference)
            stack.append((artifact, True))
            parents = [(parent, on_disk(store, parent)) for parent in artifact.parents.values()]
            found.update((parent.reference, _gone(parent)) for parent, present in parents if present is None)
            stack += [(present, False) for _, present in reversed(parents) if present is not None]
    return list(found.values())


def _present(artifact: Artifact) -> Ancestor:
    return Ancestor(
        reference=artifact.reference,
        fingerprint=artifact.fingerprint,
        lst_version=artifact.lst_version,
        created=artifact.created,
        config=artifact.config,
        statistics=artifact.statistics,
        parents=[(role, parent.reference) for role, parent in artifact.parents.items()],
    )


def _gone(parent: Parent) -> Ancestor:
    return Ancestor(
        reference=parent.reference,
        fingerprint=parent.fingerprint,
        lst_version=None,
        created=None,
        config={},
        statistics={},
        parents=[],
    )
