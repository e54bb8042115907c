"""What a model inherits from its shards: the text tokenizer and the quantizer."""

from __future__ import annotations

from collections.abc import Sequence

from lst_cli.artifacts import Artifact, Kind, Store
from lst_cli.errors import UserError
from lst_cli.units.quantizer.codebook import QUANTIZER


def named_or_inherited(
    store: Store, reference: str | None, kind: Kind, artifacts: Sequence[Artifact], option: str
) -> Artifact:
    """The artifact that an option names, otherwise the nearest one of its kind that the given ones were made from.

    :raises UserError: there is none, or it is no longer on disk.
    """
    if reference is not None:
        return store.find(reference, kind)
    found = _inherited(store, kind, artifacts)
    if found is not None:
        return found
    raise UserError(
        f"{', '.join(artifact.reference for artifact in artifacts)}: no {kind.name} in the lineage",
        fix=f"name one with {option}",
    )


def check_speech_bpe(store: Store, speech_bpe: Artifact, quantizer: Artifact) -> None:
    """Refuse a speech BPE that was trained on other speech tokens, as far as its lineage is still on disk.

    :raises UserError: it was trained on those of another quantizer.
    """
    try:
        own = _inherited(store, QUANTIZER, [speech_bpe])
    except UserError:
        return
    if own is not None and own.fingerprint != quantizer.fingerprint:
        raise UserError(
            f"--speech-bpe {speech_bpe.reference}: of another quantizer's speech tokens",
            found=own.reference,
            expected=quantizer.reference,
            fix="train one on these shards with 'lst shards bpe'",
        )


def _inherited(store: Store, kind: Kind, artifacts: Sequence[Artifact]) -> Artifact | None:
    level, seen = list(artifacts), set[str]()
    while level:
        parents = [parent for artifact in level for parent in artifact.parents.values()]
        found = [parent for parent in parents if parent.kind == kind.name]
        if found:
            return store.find(found[0].reference, kind)
        unseen = {parent.reference for parent in parents} - seen
        seen |= unseen
        level = [store.find_any(reference) for reference in sorted(unseen)]
    return None
