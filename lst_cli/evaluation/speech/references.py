"""Utterances for error rates: those with known words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lst_cli.artifacts import Artifact, Draft
from lst_cli.audio.corpus_artifact import Corpus, Utterance
from lst_cli.errors import UserError
from lst_cli.evaluation.error_rates import normalise


@dataclass(frozen=True, kw_only=True)
class ScorableUtterances:
    """The utterances of a corpus that can be scored, in its order, and the others with reasons."""

    corpus: Artifact
    utterances: Sequence[Utterance]
    rejects: Sequence[tuple[str, str]]
    """(id, reason)."""
    with_words: int
    """Utterances whose transcript has words."""

    @classmethod
    def of(
        cls,
        corpus: Artifact,
        problem: Callable[[Utterance], str | None] = lambda _: None,
        *,
        count_empty: bool = False,
    ) -> ScorableUtterances:
        """The utterances of a corpus.

        :param problem: returns another reason to reject an utterance, or None.
        :param count_empty: keep utterances whose transcript has no words, such as silence.
        """
        kept, rejects = [], []
        worded = 0
        for utterance in Corpus(corpus):
            has_words = bool(normalise(utterance.text or ""))
            scored = has_words or (count_empty and utterance.text is not None)
            reason = problem(utterance) if scored else "no words in the transcript"
            if reason is None:
                kept.append(utterance)
                worded += has_words
            else:
                rejects.append((utterance.id, reason))
        return cls(corpus=corpus, utterances=kept, rejects=rejects, with_words=worded)

    def check(self, draft: Draft, max_rejects: float) -> None:
        """Make the others rejects of the draft.

        :param max_rejects: the largest share of rejects.
        :raises UserError: too many rejects, or no utterance with words is left.
        """
        for id, reason in self.rejects:
            draft.reject(id, reason)
        total = len(self.utterances) + len(self.rejects)
        draft.check_rejects(total, max_rejects)
        if not self.with_words:
            raise UserError(
                f"{self.corpus.reference}: no transcripts with words",
                found=f"{total} utterances, {len(self.rejects)} rejected, none with words",
                expected="at least one utterance with words in its transcript",
            )
