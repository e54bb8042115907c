"""The artifacts that a report covers: chosen ones, or the current version of everything. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lst_cli.alignment.kinds import ALIGNMENT
from lst_cli.artifacts import Artifact, Kind, Store
from lst_cli.artifacts.ancestors import parent_of_kind
from lst_cli.artifacts.manifest import check_kind
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import SCORES
from lst_cli.evaluation.speech.speech_results import TRANSCRIPTS
from lst_cli.model_artifact.card import MODEL
from lst_cli.reports.page.result_rows import Rows, read_rows


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The artifacts that a report covers."""

    scores: Sequence[Artifact]
    models: Sequence[Artifact]
    """Models whose training is shown, in addition to the scored ones."""
    alignments: Sequence[Artifact]
    transcripts: Sequence[Artifact] = ()
    """ASR transcripts of recordings, or of resynthesised audio."""

    def all_models(self, store: Store) -> list[Artifact]:
        """The models behind the scores that are on disk, and the models named."""
        behind = [parent_of_kind(store, scores, MODEL.name) for scores in self.scores]
        found = {model.fingerprint: model for model in [*behind, *self.models] if model is not None}
        return list(found.values())

    def rows(self, store: Store) -> Rows:
        """The rows of the tables."""
        return read_rows(store, self.scores, self.all_models(store), self.transcripts)


def everything(store: Store) -> Subject:
    """The current version of all scores, models, alignments and transcripts in the store.

    :raises UserError: there is none of them.
    """
    current = list(store.current())

    def of(kind: Kind) -> list[Artifact]:
        return [check_kind(found, kind) for found in current if found.kind == kind.name]

    subject = Subject(scores=of(SCORES), models=of(MODEL), alignments=of(ALIGNMENT), transcripts=of(TRANSCRIPTS))
    if not (subject.scores or subject.models or subject.alignments or subject.transcripts):
        raise UserError(
            f"{store.root}: nothing to report on",
            expected="scores, models, alignments or transcripts",
            fix="make some with 'lst eval', 'lst pretrain' or 'lst align run', or give another --root",
        )
    return subject
