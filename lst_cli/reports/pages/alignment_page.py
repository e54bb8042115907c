"""``lst align show``: utterances of an alignment with their waveform, words, frames and patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.ancestors import parent_of_kind
from lst_cli.errors import UserError
from lst_cli.reports.drawing.templates import asset, templates

if TYPE_CHECKING:
    from lst_cli.alignment.read_alignment import Aligned
    from lst_cli.patching.strategies import PatchingConfig
    from lst_cli.patching.stream import Rule
    from lst_cli.reports.page.utterances import AlignedSource


@dataclass(frozen=True)
class Choice:
    """Utterances to show, and where their audio is."""

    source: AlignedSource
    rows: list[Aligned]


def choose(store: Store, alignment: Artifact, ids: Sequence[str], corpus: Artifact | None = None) -> Choice:
    """Utterances of an alignment by id; the first one when none is named.

    :param corpus: where the audio is, if the alignment's lineage does not tell.
    :raises UserError: an id is not in the alignment, or one of its parents was removed.
    """
    from lst_cli.alignment.read_alignment import read_aligned
    from lst_cli.reports.page.utterances import AlignedSource

    tokens = parent_of_kind(store, alignment, "tokens")
    if tokens is None:
        raise UserError(f"{alignment.reference}: its tokens were removed", fix="make them again with 'lst tokenize'")
    corpus = corpus or parent_of_kind(store, alignment, "corpus") or parent_of_kind(store, tokens, "corpus")
    row_of = {row.id: row for row in read_aligned(alignment, tokens, None if ids else 1)}
    missing = [id for id in ids if id not in row_of]
    if missing:
        raise UserError(
            f"{alignment.reference}: no utterance {missing[0]!r}",
            found=f"{len(row_of):,} utterances, the first {next(iter(row_of), None)!r}",
            fix="its rejects.parquet lists what could not be aligned, and why",
        )
    rows = [row_of[id] for id in ids] if ids else list(row_of.values())
    return Choice(AlignedSource(alignment=alignment, tokens=tokens, corpus=corpus), rows)


def render(choice: Choice, config: PatchingConfig, rules: Mapping[str, Rule]) -> str:
    """One HTML file with everything inside.

    :param rules: further rules by name, whose patches are shown; aligned and static ones always are.
    :raises UserError: the audio is missing.
    """
    from lst_cli.audio.corpus_artifact import Corpus
    from lst_cli.reports.page.utterances import show
    from lst_cli.version import __version__

    reference = choice.source.alignment.reference
    if choice.source.corpus is None:
        raise UserError(f"{reference}: its corpus was removed", fix="name it with --corpus")
    corpus = Corpus(choice.source.corpus)
    words = [zip(row.words, row.starts_W, row.ends_W, row.scores_W, strict=True) for row in choice.rows]
    return (
        templates()
        .get_template("alignment_page.html.j2")
        .render(
            reference=reference,
            version=__version__,
            utterances=[
                (show(choice.source, corpus, row, config, rules), table)
                for row, table in zip(choice.rows, words, strict=True)
            ],
            style=asset("page.css"),
            script=asset("page.js"),
        )
    )
