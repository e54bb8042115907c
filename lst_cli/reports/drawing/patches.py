"""Patches of utterances: spans of single utterances, and lengths over a whole alignment.

Legend: T speech tokens, P patches, W words, L lengths in tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lst_cli.alignment.kinds import ALIGNMENT_FILE, alignment_schema
from lst_cli.artifacts import Artifact
from lst_cli.artifacts.parquet import open_parquet
from lst_cli.errors import UserError
from lst_cli.patching.strategies import Cut, PatchingConfig, patch
from lst_cli.patching.stream import Patches, TokenStream
from lst_cli.units.tokens import Tokens

if TYPE_CHECKING:
    import pyarrow as pa

MOST_UTTERANCES = 20_000
"""Lengths are counted over at most the first utterances, this many; the page says so."""


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """One utterance of an alignment."""

    id: str
    tokens: int
    words: list[str]
    starts_W: list[int]
    ends_W: list[int]
    scores_W: list[float]

    def word_T(self) -> NDArray[np.int64]:
        """The word of each token, -1 for silence."""
        word_T = np.full(self.tokens, -1, dtype=np.int64)
        for word, (start, end) in enumerate(zip(self.starts_W, self.ends_W, strict=True)):
            word_T[start:end] = word
        return word_T


@dataclass(frozen=True)
class Span:
    """One patch of an utterance: tokens ``start`` to ``end`` (end exclusive)."""

    start: int
    end: int
    word: int
    """Index of the word that the patch begins with; -1 for silence."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Patches of one kind, counted."""

    name: str
    counts_L: NDArray[np.int64]
    """How many patches have each length; index 0 is unused."""

    @property
    def patches(self) -> int:
        """Number of patches."""
        return int(self.counts_L.sum())

    @property
    def mean(self) -> float:
        """Mean length in tokens."""
        return float((self.counts_L * np.arange(len(self.counts_L))).sum() / self.counts_L.sum())


def read_aligned(alignment: Artifact, tokens: Artifact, most: int | None = None) -> list[Aligned]:
    """The utterances of an alignment, in its order.

    :param tokens: the speech tokens that it was made for.
    :param most: read at most this many.
    :raises UserError: a file is damaged, or the two do not belong together.
    """
    table = _first_rows(alignment.file(ALIGNMENT_FILE), most)
    lengths = _token_counts(tokens, table["id"].to_pylist())
    rows = []
    for row in table.to_pylist():
        length = lengths.get(row["id"], 0)
        if not length or (row["ends"] and row["ends"][-1] > length):
            raise UserError(
                f"{alignment.reference}: not an alignment of {tokens.reference}",
                found=f"utterance {row['id']!r} with {length} tokens and words up to token {max(row['ends'] or [0])}",
                fix="align the tokens again; see 'lst artifact lineage' for what belongs together",
            )
        rows.append(
            Aligned(
                id=row["id"],
                tokens=length,
                words=row["words"],
                starts_W=row["starts"],
                ends_W=row["ends"],
                scores_W=row["scores"],
            )
        )
    return rows


def _first_rows(path: Path, most: int | None) -> pa.Table:
    """The first rows of a Parquet file, without reading the others."""
    import pyarrow as pa

    with open_parquet(path) as file:
        batches, rows = [], 0
        for batch in file.iter_batches(columns=alignment_schema().names):
            batches.append(batch)
            rows += batch.num_rows
            if most is not None and rows >= most:
                break
        return pa.Table.from_batches(batches, schema=alignment_schema()).slice(0, most)


def _token_counts(tokens: Artifact, ids: Sequence[str]) -> dict[str, int]:
    """The number of tokens of each utterance; later files are not read."""
    import pyarrow.compute as pc

    wanted, found = set(ids), dict[str, int]()
    for table in Tokens(tokens).tables():
        counts = pc.list_value_length(table["units"]).to_pylist()
        names = table["id"].to_pylist()
        found.update((name, count) for name, count in zip(names, counts, strict=True) if name in wanted)
        if len(found) == len(wanted):
            break
    return found


def _stream(utterances: Sequence[Aligned]) -> TokenStream:
    lengths = [utterance.tokens for utterance in utterances]
    return TokenStream(
        speech_T=np.ones(sum(lengths), dtype=bool),
        document_T=np.repeat(np.arange(len(utterances)), lengths),
        word_T=np.concatenate([utterance.word_T() for utterance in utterances]),
    )


def spans(utterance: Aligned, config: PatchingConfig, cut: Cut) -> list[Span]:
    """The patches of one utterance."""
    stream = _stream([utterance])
    starts_P, ends_P = _borders(patch(stream, config, cut))
    word_T = utterance.word_T()
    return [Span(int(start), int(end), int(word_T[start])) for start, end in zip(starts_P, ends_P, strict=True)]


def _borders(patches: Patches) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    starts_P = np.flatnonzero(patches.opens_T)
    return starts_P, np.append(starts_P[1:], len(patches.opens_T))


def count_lengths(utterances: Sequence[Aligned], config: PatchingConfig) -> list[Lengths]:
    """Lengths of aligned patches (words, silences; silence merged into words) and of static patches."""
    stream = _stream(utterances)
    assert stream.word_T is not None
    separate = PatchingConfig(strategy="aligned", size=config.size, silence="separate")
    merged = PatchingConfig(strategy="aligned", size=config.size, silence="merged")
    starts_P, ends_P = _borders(patch(stream, separate, "aligned"))
    spoken_P = stream.word_T[starts_P] >= 0
    length_P = ends_P - starts_P
    all_lengths = {
        "words": length_P[spoken_P],
        "silences": length_P[~spoken_P],
        "words with silence": np.subtract(*reversed(_borders(patch(stream, merged, "aligned")))),
        f"static {config.size}": np.subtract(*reversed(_borders(patch(stream, config, "static")))),
    }
    return [Lengths(name=name, counts_L=np.bincount(found)) for name, found in all_lengths.items() if len(found)]
