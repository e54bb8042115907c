"""The two artifacts of this room: an aligner (a trained model) and an alignment (words and their frames)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts import Kind

if TYPE_CHECKING:
    import pyarrow as pa

ALIGNER = Kind("aligner", 1)
ALIGNMENT = Kind("alignment", 1)

ALIGNMENT_FILE = "alignment.parquet"
"""One row an aligned utterance, in the order of the tokens. Word ``i`` covers the speech tokens ``starts[i]`` to
``ends[i]`` (end exclusive); words do not overlap; tokens that no word covers are silence."""

CHAR_STARTS = "char_starts"
"""Column: for each character of each word, the speech tokens from the word's start to where it begins. Alignments that
were imported, or made by an older ``lst``, lack it."""

CHAR_STARTS_FIX = (
    "'lst align run' finds where characters begin ('lst align import' can't); "
    "make the shards of its alignment with 'lst shards speech'"
)


def alignment_schema(*, chars: bool = False) -> pa.Schema:
    """The columns of :data:`ALIGNMENT_FILE` (schema 1).

    :param chars: with :data:`CHAR_STARTS`.
    """
    import pyarrow as pa

    columns = [
        ("id", pa.string()),
        ("words", pa.list_(pa.string())),
        ("starts", pa.list_(pa.int32())),
        ("ends", pa.list_(pa.int32())),
        ("scores", pa.list_(pa.float32())),
    ]
    return pa.schema([*columns, (CHAR_STARTS, pa.list_(pa.list_(pa.int32())))] if chars else columns)


def schema_of(path: Path) -> pa.Schema:
    """The columns of an alignment's file.

    :raises UserError: the file is missing or damaged.
    """
    from lst_cli.artifacts.parquet import open_parquet

    with open_parquet(path) as file:
        return alignment_schema(chars=CHAR_STARTS in file.schema_arrow.names)
