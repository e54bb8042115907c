"""Utterances that error rates can be counted on: those whose words are known."""

from __future__ import annotations

from collections.abc import Callable

from lst_cli.artifacts import Artifact, Draft
from lst_cli.audio.corpus_artifact import Corpus, Utterance
from lst_cli.errors import UserError
from lst_cli.evaluation.error_rates import normalise


def with_words(
    draft: Draft,
    corpus: Artifact,
    max_rejects: float,
    problem: Callable[[Utterance], str | None] = lambda _: None,
    *,
    count_empty: bool = False,
) -> list[Utterance]:
    """The utterances of a corpus that can be scored, in its order; the others become rejects of the draft.

    :param max_rejects: the largest share of rejects.
    :param problem: returns another reason to reject an utterance, or None.
    :param count_empty: keep utterances whose transcript is there but has no words, such as silence.
    :raises UserError: too many rejects, or no utterance with words is left.
    """
    utterances = list(Corpus(corpus))
    kept = []
    worded = 0
    for utterance in utterances:
        has_words = bool(normalise(utterance.text or ""))
        scored = has_words or (count_empty and utterance.text is not None)
        reason = problem(utterance) if scored else "no words in the transcript"
        if reason is None:
            kept.append(utterance)
            worded += has_words
        else:
            draft.reject(utterance.id, reason)
    draft.check_rejects(len(utterances), max_rejects)
    if not worded:
        raise UserError(
            f"{corpus.reference}: no words to count errors on",
            found=f"{len(utterances)} utterances, {len(utterances) - len(kept)} rejected, none with words",
            expected="at least one utterance with words in its transcript",
        )
    return kept
