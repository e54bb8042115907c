"""Checks that artifacts that are joined to shards were made from one corpus."""

from __future__ import annotations

from lst_cli.artifacts import Artifact
from lst_cli.errors import UserError


def check_one_corpus(corpus: Artifact, *others: Artifact) -> None:
    """Check that tokens and alignment were made from this corpus, if their lineage is known.

    An alignment holds for any tokens of its corpus: all have 25 a second, by one rule.

    :raises UserError: one of them was made from another corpus, or another version of it.
    """
    for other in others:
        parent = other.parents.get("corpus")
        if parent is not None and parent.fingerprint != corpus.fingerprint:
            raise UserError(
                f"{other.reference} was made from another corpus",
                found=parent.reference,
                expected=corpus.reference,
                fix="name the versions that belong together, or make it again",
            )
