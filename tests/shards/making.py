"""Small shards whose ids tell where they come from.

The speech token of frame ``f`` is ``f``, and every piece of word ``w`` of an utterance is ``10 + w``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from lst_cli.artifacts.parquet import write_parquet
from lst_cli.hashing import integers
from lst_cli.shards.schema import TEXT_SCHEMA, ShardInfo, speech_schema, with_info
from lst_cli.shards.shard_rows import ShardRows, SpanUnit, speech_rows
from lst_cli.shards.shard_set import ShardSet
from lst_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(pieces=500, units=5000)
INFO = ShardInfo(modality="speech", pieces=VOCABULARY.pieces, units=VOCABULARY.units, tokenizer="t")


@dataclass(frozen=True)
class Utterance:
    """An utterance of a test."""

    id: str
    frames: int
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    pieces: tuple[int, ...]
    """Pieces of each word."""

    def piece_starts(self) -> list[list[int]]:
        """Where the pieces of each word begin: anywhere in it, also where the next one does or where the word ends."""
        found = []
        for w, (start, end, n) in enumerate(zip(self.starts, self.ends, self.pieces, strict=True)):
            drawn = integers(0, end - start, start, 9, w, np.arange(n - 1))
            found.append([0, *sorted(drawn.tolist())])
        return found


@st.composite
def utterance_lists(draw: st.DrawFn) -> list[Utterance]:
    """Up to eight utterances, of up to 40 words, some without words."""
    made = []
    for i in range(draw(st.integers(1, 8))):
        n = draw(st.one_of(st.integers(0, 4), st.integers(5, 40)))
        seed = draw(st.integers(0, 10_000))
        made.append(utterance(f"u{i}", n, seed))
    return made


def utterance(id: str, words: int, seed: int) -> Utterance:
    """An utterance with random spans."""
    gaps = integers(0, 5, seed, 0, np.arange(words))
    sizes = integers(1, 8, seed, 1, np.arange(words))
    ends = np.cumsum(gaps + sizes)
    frames = (int(ends[-1]) if words else 0) + int(integers(0, 6, seed, 2)) + (0 if words else 1)
    pieces = integers(1, 3, seed, 3, np.arange(words))
    return Utterance(id, frames, tuple((ends - sizes).tolist()), tuple(ends.tolist()), tuple(pieces.tolist()))


def utterances(n: int, words: int = 20) -> list[Utterance]:
    """Utterances of about ``words`` words."""
    return [utterance(f"u{i}", int(integers(words // 2, 2 * words, 7, i)), i) for i in range(n)]


def table(made: Sequence[Utterance]) -> pa.Table:
    """The rows of a speech shard."""
    return pa.table(
        {
            "piece_starts": [u.piece_starts() for u in made],
            "id": [u.id for u in made],
            "source": ["test"] * len(made),
            "speaker": ["s"] * len(made),
            "units": [list(range(u.frames)) for u in made],
            "words": [[f"w{w}" for w in range(len(u.starts))] for u in made],
            "word_pieces": [[[10 + w] * n for w, n in enumerate(u.pieces)] for u in made],
            "starts": [list(u.starts) for u in made],
            "ends": [list(u.ends) for u in made],
        },
        schema=speech_schema(piece_starts=True),
    )


def rows(made: Sequence[Utterance], spans: SpanUnit = "word") -> ShardRows:
    """The same as flat arrays."""
    return speech_rows(table(made), VOCABULARY, spans)


def speech_files(folder: Path, made: Sequence[Utterance], *, files: int = 2, group: int = 8) -> list[Path]:
    """Speech shards on disk."""
    whole = table(made)
    whole = whole.cast(with_info(whole.schema, INFO))
    paths = []
    for i in range(files):
        first, last = len(whole) * i // files, len(whole) * (i + 1) // files
        paths.append(folder / f"shard-{i:05d}.parquet")
        write_parquet(paths[-1], whole.slice(first, last - first), row_group_size=group)
    return paths


def speech_set(folder: Path, made: Sequence[Utterance], *, files: int = 2, group: int = 8) -> ShardSet:
    """A speech shard set."""
    return ShardSet.open(speech_files(folder, made, files=files, group=group))


def text_set(folder: Path, lengths: Sequence[int], *, group: int = 8) -> ShardSet:
    """A text shard set: every piece of document ``d`` is ``100 + d % 300``."""
    info = replace(INFO, modality="text", units=0)
    pieces = [[100 + d % 300] * n for d, n in enumerate(lengths)]
    columns = {"id": [f"d{d}" for d in range(len(lengths))], "pieces": pieces}
    path = folder / "shard-00000.parquet"
    write_parquet(path, pa.table(columns, schema=with_info(TEXT_SCHEMA, info)), row_group_size=group)
    return ShardSet.open([path])
