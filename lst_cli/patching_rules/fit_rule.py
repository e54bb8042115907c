"""``lst patching fit``: learns a rule that cuts speech without an aligner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lst_cli.alignment.read_alignment import Aligned, read_aligned
from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.artifacts.ancestors import parent_of_kind
from lst_cli.errors import UserError
from lst_cli.hashing import permutation
from lst_cli.patching.stream import TokenStream
from lst_cli.patching_rules.rule_artifact import PATCHING_RULE, RULE_FILE, write_rule
from lst_cli.units.frames import RATE_HZ

DEPTH = 4
"""Units that the hazard looks at."""

_THRESHOLD_TOKENS = 200_000
"""Tokens on which the hazard's threshold is set, at most."""

_LM_TOKENS = 4_000_000
"""Tokens of the unit language model's training, at most: 44 hours."""

FittingPlan = tuple[Request, Callable[[Draft], None]]
"""A request, and the function that fills its draft."""


@dataclass(frozen=True, kw_only=True)
class RuleOptions:
    """The options of all rules."""

    name: str
    mean: float
    """Wanted mean length of patches, in tokens."""
    longest: int
    """Maximum length of a patch, in tokens."""
    seed: int


def plan_hazard(
    store: Store, alignment: Artifact, tokens: Artifact | None, options: RuleOptions, minutes: float | None
) -> FittingPlan:
    """Learn the hazard from aligned speech.

    :param tokens: the threshold is set on them; by default those that were aligned.
    :param minutes: of aligned speech, at most; None for all.
    :raises UserError: a parent of the alignment was removed, or the tokens are of another quantizer.
    """
    aligned_tokens = aligned_with(store, alignment)
    unaligned = tokens or aligned_tokens
    quantizer = _quantizer(store, unaligned)
    if _quantizer(store, aligned_tokens).fingerprint != quantizer.fingerprint:
        raise UserError(
            f"--tokens {unaligned.reference}: not from the quantizer of the aligned tokens",
            found=quantizer.reference,
            expected=_quantizer(store, aligned_tokens).reference,
        )

    def make(draft: Draft) -> None:
        from lst_cli.patching_rules.aligned_stream import span_ends, utterance_stream
        from lst_cli.patching_rules.fit_hazard import fit_hazard
        from lst_cli.patching_rules.threshold import mean_length, with_mean

        utterances = read_aligned(alignment, aligned_tokens)
        if not utterances:
            raise UserError(f"{alignment.reference}: no utterance to learn from")
        stream = utterance_stream(_some(utterances, minutes, options.seed))
        borders = int(np.count_nonzero(span_ends(stream)))
        rule = fit_hazard(stream, _units(quantizer), depth=DEPTH, longest=options.longest)
        to_cut = read_stream(unaligned, _THRESHOLD_TOKENS)
        rule = with_mean(rule, to_cut, options.mean)
        write_rule(draft.path / RULE_FILE, rule)
        draft.statistics.update(aligned_minutes=len(stream.unit_T) / RATE_HZ / 60, borders=borders)
        draft.statistics.update(mean_length=mean_length(rule, to_cut), threshold=rule.threshold)

    parents = {"alignment": alignment, "tokens": unaligned, "quantizer": quantizer}
    return _request("hazard", options, parents, minutes=minutes), make


def plan_entropy(store: Store, tokens: Artifact, options: RuleOptions, *, rises: bool) -> FittingPlan:
    """Train the unit language model on speech tokens.

    :param rises: the rise of the entropy counts, and not the entropy.
    :raises UserError: a parent of the tokens was removed.
    """
    quantizer = _quantizer(store, tokens)

    def make(draft: Draft) -> None:
        from lst_cli.patching_rules.fit_unit_lm import fit_unit_lm
        from lst_cli.patching_rules.threshold import mean_length, with_mean

        stream = read_stream(tokens, _LM_TOKENS)
        fitted = fit_unit_lm(stream, _units(quantizer), rises=rises, longest=options.longest, seed=options.seed)
        rule = with_mean(fitted.rule, fitted.held_out, options.mean)
        write_rule(draft.path / RULE_FILE, rule)
        draft.statistics.update(tokens=len(stream.unit_T), bits_per_unit=fitted.bits)
        draft.statistics.update(mean_length=mean_length(rule, fitted.held_out), threshold=rule.threshold)

    return _request("entropy", options, {"tokens": tokens, "quantizer": quantizer}, rises=rises), make


def _request(strategy: str, options: RuleOptions, parents: dict[str, Artifact], **config: float | None) -> Request:
    shared = {"strategy": strategy, "mean": options.mean, "longest": options.longest, "seed": options.seed}
    return Request(kind=PATCHING_RULE, name=options.name, config={**shared, **config}, parents=parents)


def aligned_with(store: Store, alignment: Artifact) -> Artifact:
    """The tokens of an alignment.

    :raises UserError: they were removed.
    """
    tokens = parent_of_kind(store, alignment, "tokens")
    if tokens is None:
        raise UserError(f"{alignment.reference}: its tokens were removed", fix="make them again with 'lst tokenize'")
    return tokens


def _quantizer(store: Store, tokens: Artifact) -> Artifact:
    quantizer = parent_of_kind(store, tokens, "quantizer")
    if quantizer is None:
        raise UserError(f"{tokens.reference}: its quantizer was removed", fix="make both again")
    return quantizer


def _units(quantizer: Artifact) -> int:
    from lst_cli.units.quantizer.codebook import Codebook

    return Codebook.read(quantizer.path).units


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
    """The first utterances of a tokens artifact as documents of speech alone, up to about this many tokens.

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
