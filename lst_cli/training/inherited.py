"""The artifacts that a model inherits from its shards: text tokenizer and quantizer."""

from __future__ import annotations

from collections.abc import Sequence

from lst_cli.artifacts import Artifact, Kind, Store
from lst_cli.artifacts.ancestors import nearest_of_kind, on_disk
from lst_cli.artifacts.bucket import BucketArtifact
from lst_cli.errors import UserError
from lst_cli.units.quantizer.codebook import QUANTIZER


def named_or_inherited(
    store: Store, reference: str | None, kind: Kind, artifacts: Sequence[Artifact], option: str
) -> Artifact:
    """The artifact that an option names, otherwise the nearest ancestor of its kind.

    :raises UserError: there is none, or it is missing on disk.
    """
    if reference is not None:
        return store.find(reference, kind)
    found = nearest_of_kind(store, artifacts, kind.name)
    if found is not None:
        remote = [artifact for artifact in artifacts if isinstance(artifact, BucketArtifact)]
        if remote and on_disk(store, found) is None:
            place = remote[0].url.removesuffix(remote[0].reference)
            raise UserError(
                f"{found.reference}: not below the root, and the shards need it",
                fix=f"lst pull {place}{found.reference}, or name another one with {option}",
            )
        return store.find(found.reference, kind)
    raise UserError(
        f"{', '.join(artifact.reference for artifact in artifacts)}: no {kind.name} in the lineage",
        fix=f"name one with {option}",
    )


def check_same_units(store: Store, part: Artifact, quantizer: Artifact, option: str, command: str) -> None:
    """Refuse a speech BPE or patching rule of another quantizer's speech tokens, if it is in its lineage.

    :param option: names the part.
    :param command: makes another one.
    :raises UserError: it was.
    """
    own = nearest_of_kind(store, [part], QUANTIZER.name)
    if own is not None and own.fingerprint != quantizer.fingerprint:
        raise UserError(
            f"{option} {part.reference}: trained on another quantizer's speech tokens",
            found=own.reference,
            expected=quantizer.reference,
            fix=f"train one on the speech tokens of these shards with '{command}'",
        )
