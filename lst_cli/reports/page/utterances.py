"""Recordings for the page: which utterances of which alignments, with their audio, words and patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.ancestors import parent_of_kind

if TYPE_CHECKING:
    from lst_cli.alignment.read_alignment import Aligned
    from lst_cli.audio.corpus_artifact import Corpus
    from lst_cli.patching.strategies import PatchingConfig
    from lst_cli.patching.stream import Rule
    from lst_cli.reports.drawing.patches import Lengths
    from lst_cli.reports.drawing.recording import WaveformDrawing

LONGEST_S = 20.0
"""Longer utterances are skipped: they make the page heavy."""


@dataclass(frozen=True, kw_only=True)
class AlignedSource:
    """An alignment with its tokens and corpus, where they are on disk."""

    alignment: Artifact
    tokens: Artifact | None
    corpus: Artifact | None

    @property
    def real(self) -> bool:
        """Whether it is recorded speech: not made by ``lst corpus synth``."""
        return self.corpus is not None and self.corpus.config.get("made_by") != "synth"


@dataclass(frozen=True, kw_only=True)
class ShownUtterance:
    """One utterance on the page."""

    id: str
    source: AlignedSource
    text: str
    seconds: float
    waveform: WaveformDrawing
    audio: str
    """``data:`` address of its audio."""


def sources(store: Store, alignments: Sequence[Artifact]) -> list[AlignedSource]:
    """The alignments with their tokens and corpora, real speech first."""
    found = [
        AlignedSource(
            alignment=alignment,
            tokens=parent_of_kind(store, alignment, "tokens"),
            corpus=parent_of_kind(store, alignment, "corpus"),
        )
        for alignment in alignments
    ]
    return sorted(found, key=lambda source: not source.real)


def read_lengths(
    found: Sequence[AlignedSource], config: PatchingConfig
) -> list[tuple[AlignedSource, list[Lengths], int]]:
    """Patch lengths of each alignment whose tokens are on disk, and over how many utterances they were counted."""
    from lst_cli.alignment.read_alignment import read_aligned
    from lst_cli.reports.drawing.patches import MOST_UTTERANCES, count_lengths

    counted = []
    for source in found:
        if source.tokens is not None:
            utterances = read_aligned(source.alignment, source.tokens, MOST_UTTERANCES)
            if utterances:
                counted.append((source, count_lengths(utterances, config), len(utterances)))
    return counted


def shares(total: int, available: Sequence[int]) -> list[int]:
    """The number of utterances from each source: one each, the rest from the first sources.

    :param available: how many each source has, in order of preference.
    """
    given = [min(1, have) if number < total else 0 for number, have in enumerate(available)]
    for number, have in enumerate(available):
        given[number] += max(0, min(have - given[number], total - sum(given)))
    return given


def read_utterances(found: Sequence[AlignedSource], total: int, config: PatchingConfig) -> list[ShownUtterance]:
    """Utterances to show, the first ones of each source.

    :raises UserError: a file is damaged, missing, or changed since the corpus was made.
    """
    from lst_cli.alignment.read_alignment import read_aligned
    from lst_cli.audio.corpus_artifact import Corpus

    whole: list[tuple[AlignedSource, Corpus, list[Aligned]]] = []
    for source in found:
        if source.tokens is not None and source.corpus is not None and total:
            corpus = Corpus(source.corpus)
            # Twenty times as many as are shown, so that long ones can be skipped.
            rows = read_aligned(source.alignment, source.tokens, 20 * total)
            short = [row for row in rows if row.id in corpus and corpus.find(row.id).seconds <= LONGEST_S]
            whole.append((source, corpus, short))
    shown = []
    for (source, corpus, rows), share in zip(whole, shares(total, [len(rows) for _, _, rows in whole]), strict=True):
        shown += [show(source, corpus, row, config) for row in rows[:share]]
    return shown


def show(
    source: AlignedSource, corpus: Corpus, row: Aligned, config: PatchingConfig, rules: Mapping[str, Rule] | None = None
) -> ShownUtterance:
    """Draw one utterance.

    :param rules: further rules by name, whose patches are shown below the aligned and the static ones.
    :raises UserError: its audio is missing, or changed since the corpus was made.
    """
    from lst_cli.audio.decode import read_utterance
    from lst_cli.reports.drawing.embedded_audio import data_uri
    from lst_cli.reports.drawing.patches import lanes
    from lst_cli.reports.drawing.recording import draw_waveform

    utterance = corpus.find(row.id)
    samples_T = read_utterance(utterance)
    return ShownUtterance(
        id=row.id,
        source=source,
        text=utterance.text or " ".join(row.words),
        seconds=utterance.seconds,
        waveform=draw_waveform(row, samples_T, lanes(row, config, rules or {})),
        audio=data_uri(samples_T),
    )
