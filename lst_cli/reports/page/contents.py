"""All contents of the page, read from the artifacts. Missing parts are empty lists or None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.ancestors import Ancestor, ancestors
from lst_cli.config import from_dict
from lst_cli.patching.strategies import PatchingConfig
from lst_cli.reports.drawing.curves import Curves, read_curves
from lst_cli.reports.drawing.patches import Lengths
from lst_cli.reports.page.ablations import ablation_remarks
from lst_cli.reports.page.evaluated_speech import EvaluatedSpeech, read_speech
from lst_cli.reports.page.remarks import remarks
from lst_cli.reports.page.result_rows import Rows
from lst_cli.reports.page.story_examples import StoryExamples, read_examples
from lst_cli.reports.page.subject import Subject
from lst_cli.reports.page.utterances import AlignedSource, ShownUtterance, read_lengths, read_utterances, sources
from lst_cli.reports.page.verdicts import Verdict, compare_to_baselines


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The page, before it is drawn."""

    rows: Rows
    verdicts: list[Verdict]
    remarks: list[str]
    curves: list[Curves]
    patching: PatchingConfig
    """The patching to draw: that of the first model with patches."""
    lengths: list[tuple[AlignedSource, list[Lengths], int]]
    utterances: list[ShownUtterance]
    examples: StoryExamples | None
    speech: list[EvaluatedSpeech]
    lineage: list[Ancestor]


def gather(store: Store, subject: Subject, *, utterances: int, examples: int, spoken: int) -> Contents:
    """Read everything that the page shows.

    :param utterances: recordings to draw with their words and patches.
    :param examples: benchmark items to show.
    :param spoken: recordings of each corpus with ASR transcripts.

    :raises UserError: a file of an artifact is missing or damaged.
    """
    rows = subject.rows(store)
    by_reference = {scores.reference: scores for scores in subject.scores}
    verdicts = compare_to_baselines([*rows.scores, *rows.asr, *rows.tts], by_reference)
    models = subject.all_models(store)
    patching = _patching(rows)
    found = sources(store, subject.alignments)
    named: Sequence[Artifact] = [*subject.scores, *subject.models, *subject.alignments, *subject.transcripts]
    return Contents(
        rows=rows,
        verdicts=verdicts,
        remarks=[*remarks(rows, verdicts), *ablation_remarks(rows, by_reference)],
        curves=read_curves(models, rows.labels),
        patching=patching,
        lengths=read_lengths(found, patching),
        utterances=read_utterances(found, utterances, patching),
        examples=read_examples(store, rows, by_reference, examples),
        speech=read_speech(store, rows, spoken),
        lineage=ancestors(store, named),
    )


def _patching(rows: Rows) -> PatchingConfig:
    for model in rows.models:
        if model.family != "baseline":
            return from_dict(PatchingConfig, model.patching, model.reference)
    return PatchingConfig()
