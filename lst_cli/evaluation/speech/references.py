"""Utterances that error rates can be counted on: what is said is known, and has words."""

from __future__ import annotations

from collections.abc import Callable

from lst_cli.artifacts import Artifact, Draft
from lst_cli.audio.corpus_artifact import Corpus, Utterance
from lst_cli.errors import UserError
from lst_cli.evaluation.error_rates import normalise


def with_words(
    draft: Draft, corpus: Artifact, max_rejects: float, problem: Callable[[Utterance], str | None] = lambda _: None
) -> list[Utterance]:
    """The utterances of a corpus that can be judged, in its order; the others become rejects of the draft.

    :param max_rejects: the largest share of rejects.
    :param problem: what else speaks against an utterance; None where nothing does.
    :raises UserError: too many rejects, or nothing is left.
    """
    utterances = list(Corpus(corpus))
    kept = []
    for utterance in utterances:
        worded = bool(normalise(utterance.text or ""))
        reason = problem(utterance) if worded else "no words in the transcript"
        if reason is None:
            kept.append(utterance)
        else:
            draft.reject(utterance.id, reason)
    draft.check_rejects(len(utterances), max_rejects)
    if not kept:
        raise UserError(
            f"{corpus.reference}: nothing to judge",
            found=f"{len(utterances)} utterances, all rejected",
            expected="at least one with words in its transcript",
        )
    return kept
