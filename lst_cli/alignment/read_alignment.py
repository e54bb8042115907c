"""Reads an alignment together with the speech tokens that it was made for.

Legend: T speech tokens, W words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lst_cli.alignment.kinds import ALIGNMENT_FILE, CHAR_STARTS, schema_of
from lst_cli.artifacts import Artifact
from lst_cli.artifacts.parquet import open_parquet
from lst_cli.errors import UserError
from lst_cli.units.tokens import Tokens

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligned:
    """One utterance of an alignment."""

    id: str
    units_T: NDArray[np.uint16]
    words: list[str]
    starts_W: list[int]
    ends_W: list[int]
    scores_W: list[float]
    char_starts_W: list[list[int]] | None = None
    """For each character of each word, the tokens from the word's start to where it begins; None where not known."""

    @property
    def tokens(self) -> int:
        """Number of speech tokens."""
        return len(self.units_T)

    def word_T(self) -> NDArray[np.int64]:
        """The word of each token, -1 for silence."""
        word_T = np.full(self.tokens, -1, dtype=np.int64)
        for word, (start, end) in enumerate(zip(self.starts_W, self.ends_W, strict=True)):
            word_T[start:end] = word
        return word_T


def read_aligned(alignment: Artifact, tokens: Artifact, most: int | None = None) -> list[Aligned]:
    """The utterances of an alignment, in its order.

    :param tokens: the speech tokens that it was made for.
    :param most: read at most this many.
    :raises UserError: a file is damaged, or the two do not belong together.
    """
    table = _first_rows(alignment.file(ALIGNMENT_FILE), most)
    units = _units(tokens, table["id"].to_pylist())
    rows = []
    for row in table.to_pylist():
        units_T = units.get(row["id"], np.zeros(0, np.uint16))
        if not len(units_T) or (row["ends"] and row["ends"][-1] > len(units_T)):
            raise UserError(
                f"{alignment.reference}: not an alignment of {tokens.reference}",
                found=f"utterance {row['id']!r} with {len(units_T)} tokens "
                f"and words up to token {max(row['ends'] or [0])}",
                fix="align the tokens again; 'lst artifact lineage' shows what was made from what",
            )
        rows.append(
            Aligned(
                id=row["id"],
                units_T=units_T,
                words=row["words"],
                starts_W=row["starts"],
                ends_W=row["ends"],
                scores_W=row["scores"],
                char_starts_W=row.get(CHAR_STARTS),
            )
        )
    return rows


def _first_rows(path: Path, most: int | None) -> pa.Table:
    """The first rows of a Parquet file, without reading the others."""
    import pyarrow as pa

    schema = schema_of(path)
    with open_parquet(path) as file:
        batches, rows = [], 0
        for batch in file.iter_batches(columns=schema.names):
            batches.append(batch)
            rows += batch.num_rows
            if most is not None and rows >= most:
                break
        return pa.Table.from_batches(batches, schema=schema).slice(0, most)


def _units(tokens: Artifact, ids: Sequence[str]) -> dict[str, NDArray[np.uint16]]:
    """The units of each utterance; later files are not read."""
    wanted, found = set(ids), dict[str, NDArray[np.uint16]]()
    for id, units_T in Tokens(tokens):
        if id in wanted:
            found[id] = units_T
            if len(found) == len(wanted):
                break
    return found
