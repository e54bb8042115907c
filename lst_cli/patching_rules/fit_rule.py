"""``lst patching fit``: learns a rule that cuts speech without an aligner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.artifacts.ancestors import nearest_of_kind, parent_of_kind
from lst_cli.errors import UserError
from lst_cli.hashing import permutation
from lst_cli.patching.stream import TokenStream
from lst_cli.patching_rules.rule_artifact import PATCHING_RULE, RULE_FILE, write_rule
from lst_cli.units.frames import RATE_HZ

if TYPE_CHECKING:
    from lst_cli.alignment.read_alignment import Aligned
    from lst_cli.patching.hazard import Hazard

DEPTH = 4
"""Units that the hazard looks at."""

_THRESHOLD_TOKENS = 200_000
"""Tokens on which the threshold is set, at most."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """What to fit, and on what."""

    strategy: str
    name: str
    tokens: Artifact
    """The threshold is set on them."""
    alignment: Artifact | None = None
    mean: float = 4.0
    """Wanted mean length of patches, in tokens."""
    longest: int = 20
    """A patch ends after so many tokens at the latest."""
    minutes: float | None = None
    """Aligned speech to learn from, at most; None for all."""
    seed: int = 0


def plan_fit(store: Store, options: FitOptions) -> tuple[Request, Callable[[Draft], None]]:
    """The request and the function that fills its draft.

    :raises UserError: what the tokens were made from is gone, or belongs to another quantizer.
    """
    quantizer = parent_of_kind(store, options.tokens, "quantizer")
    if quantizer is None:
        raise UserError(f"{options.tokens.reference}: its quantizer is gone", fix="make both again")
    parents = {"tokens": options.tokens, "quantizer": quantizer}
    config: dict[str, Any] = {"strategy": options.strategy, "mean": options.mean, "longest": options.longest}
    assert options.alignment is not None
    aligned_tokens = aligned_with(store, options.alignment)
    _check_quantizer(store, options.alignment, aligned_tokens, quantizer)
    parents["alignment"] = options.alignment
    config |= {"minutes": options.minutes, "seed": options.seed}

    def make(draft: Draft) -> None:
        from lst_cli.patching_rules.threshold import mean_length, with_mean
        from lst_cli.units.quantizer.codebook import Codebook

        units = Codebook.read(quantizer.path).units
        rule = _hazard(draft, options, aligned_tokens, units)
        stream = read_stream(options.tokens, _THRESHOLD_TOKENS)
        rule = with_mean(rule, stream, options.mean)
        write_rule(draft.path / RULE_FILE, rule)
        draft.statistics.update(mean_length=mean_length(rule, stream), threshold=rule.threshold)

    return Request(kind=PATCHING_RULE, name=options.name, config=config, parents=parents), make


def aligned_with(store: Store, alignment: Artifact) -> Artifact:
    """The tokens of an alignment.

    :raises UserError: they are gone.
    """
    tokens = parent_of_kind(store, alignment, "tokens")
    if tokens is None:
        raise UserError(f"{alignment.reference}: its tokens are gone", fix="make them again with 'lst tokenize'")
    return tokens


def _check_quantizer(store: Store, alignment: Artifact, tokens: Artifact, quantizer: Artifact) -> None:
    own = nearest_of_kind(store, [tokens], "quantizer")
    if own is not None and own.fingerprint != quantizer.fingerprint:
        raise UserError(
            f"--alignment {alignment.reference}: an alignment of another quantizer's speech tokens",
            found=own.reference,
            expected=quantizer.reference,
        )


def _hazard(draft: Draft, options: FitOptions, tokens: Artifact, units: int) -> Hazard:
    from lst_cli.alignment.read_alignment import read_aligned
    from lst_cli.patching_rules.aligned_stream import span_ends, utterance_stream
    from lst_cli.patching_rules.fit_hazard import fit_hazard

    assert options.alignment is not None
    utterances = read_aligned(options.alignment, tokens)
    if not utterances:
        raise UserError(f"{options.alignment.reference}: no utterance to learn from")
    stream = utterance_stream(_some(utterances, options.minutes, options.seed))
    draft.statistics.update(
        aligned_minutes=len(stream.unit_T) / RATE_HZ / 60, borders=int(np.count_nonzero(span_ends(stream)))
    )
    return fit_hazard(stream, units, depth=DEPTH, longest=options.longest)


def _some(utterances: Sequence[Aligned], minutes: float | None, seed: int) -> list[Aligned]:
    """Utterances drawn until they reach the wanted minutes."""
    if minutes is None:
        return list(utterances)
    chosen, left = [], minutes * 60 * RATE_HZ
    for index in permutation(len(utterances), seed):
        if left <= 0:
            break
        chosen.append(utterances[index])
        left -= utterances[index].tokens
    return chosen


def read_stream(tokens: Artifact, most: int) -> TokenStream:
    """The first utterances of a tokens artifact as documents of pure speech, up to about so many tokens.

    :raises UserError: there are none, or a file is damaged.
    """
    from lst_cli.units.tokens import Tokens

    found, total = [], 0
    for _, units_T in Tokens(tokens):
        found.append(units_T)
        total += len(units_T)
        if total >= most:
            break
    if not total:
        raise UserError(f"{tokens.reference}: no speech token to learn from")
    lengths = [len(units_T) for units_T in found]
    return TokenStream(
        unit_T=np.concatenate(found).astype(np.int32), document_T=np.repeat(np.arange(len(found)), lengths)
    )
