"""Speech shards: tokens, alignment and text tokens of every utterance, joined and shuffled."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lst_cli.alignment.kinds import ALIGNMENT_FILE, CHAR_STARTS, schema_of
from lst_cli.artifacts import Artifact, Draft
from lst_cli.artifacts.parquet import parquet_errors
from lst_cli.audio.corpus_artifact import UTTERANCES
from lst_cli.distributed.shared_work import SharedParts
from lst_cli.shards.build.build_shards import BuildOptions, Prepared, ShuffledShards
from lst_cli.shards.build.join import Follower, NumberedRows, batches
from lst_cli.shards.build.shard_statistics import speech_counts, speech_statistics
from lst_cli.shards.build.shared_chunks import InputChunk
from lst_cli.shards.piece_starts import piece_starts
from lst_cli.shards.schema import PIECE_STARTS, SPEECH_SCHEMA, ShardInfo, speech_schema
from lst_cli.text.tokenizer import TextTokenizer

_CHUNK_ROWS = 8192

NOT_ALIGNED = "not in the alignment"


@dataclass(frozen=True, kw_only=True)
class SpeechInputs:
    """The inputs of speech shards."""

    corpus: Artifact
    tokens: Artifact
    alignment: Artifact | None
    """None for shards of pure speech."""
    tokenizer: TextTokenizer
    info: ShardInfo

    @cached_property
    def span_columns(self) -> list[str]:
        """The columns of the alignment that shards are made of; none without an alignment. Its file is opened once."""
        if self.alignment is None:
            return []
        known = schema_of(self.alignment.file(ALIGNMENT_FILE)).names
        return [name for name in ("words", "starts", "ends", CHAR_STARTS) if name in known]

    @property
    def schema(self) -> pa.Schema:
        """The columns of the shards. Without an alignment there are no words, so ``piece_starts`` is empty."""
        return speech_schema(piece_starts=self.alignment is None or CHAR_STARTS in self.span_columns)


class SpeechShards:
    """The shards of a tokenized corpus, to be made by any number of ranks."""

    def __init__(self, inputs: SpeechInputs, options: BuildOptions, *, keep_unaligned: bool) -> None:
        """Prepare the work.

        :param keep_unaligned: keep utterances that the alignment lacks as pure speech, instead of rejecting them.
        """
        files = inputs.tokens.data_files("tokens-*.parquet")
        if inputs.alignment is not None:
            files = [*files, inputs.alignment.file(ALIGNMENT_FILE)]
        self._chunks = _JoinedChunks(inputs)
        self._shards = ShuffledShards(
            chunks=self._chunks,
            prepare=lambda chunk: _prepare(chunk, inputs, keep_unaligned=keep_unaligned),
            schema=inputs.schema,
            info=inputs.info,
            input_bytes=_bytes(files),
            options=options,
        )

    def share(self, parts: SharedParts) -> None:
        """The work of a rank other than 0.

        :raises UserError: the inputs do not belong together, or the tokenizer does not encode word by word.
        """
        self._shards.share(parts)

    def make(self, draft: Draft, parts: SharedParts) -> None:
        """Make the shards in a draft.

        :raises UserError: the inputs do not belong together, the tokenizer does not encode word by word, or too many
            utterances are rejected.
        """
        draft.statistics.update(speech_statistics(self._shards.make(draft, parts, self._chunks.finish)))


class _JoinedChunks:
    """Tokens with the corpus's and the alignment's data of each utterance.

    Iterating over the chunks reads the ids alone; the rows of a chunk are read on request.
    """

    def __init__(self, inputs: SpeechInputs) -> None:
        self._inputs = inputs
        self._spans: Follower | None = None

    def __iter__(self) -> Iterator[InputChunk]:
        inputs, files = self._inputs, self._inputs.tokens.data_files("tokens-*.parquet")
        about = Follower(inputs.corpus.reference, [inputs.corpus.file(UTTERANCES)], ["source", "speaker"])
        units = NumberedRows(files, ["id", "units"])
        spans = self._spans = None
        if inputs.alignment is not None:
            file = inputs.alignment.file(ALIGNMENT_FILE)
            spans = self._spans = Follower(inputs.alignment.reference, [file], inputs.span_columns)

        def read(first: int, about_rows: Sequence[int | None], span_rows: Sequence[int | None]) -> pa.Table:
            table = units.read(first, first + len(about_rows))
            for follower, rows in ((about, about_rows), (spans, span_rows)):
                if follower is not None:
                    found = follower.rows(rows)
                    for name in found.column_names:
                        table = table.append_column(name, found.column(name))
            return table

        first = 0
        for number, chunk in enumerate(batches(files, ["id"], _CHUNK_ROWS)):
            ids = chunk.column("id").to_pylist()
            about_rows, span_rows = about.every(ids), spans.some(ids) if spans is not None else []
            rows = partial(read, first, about_rows, span_rows)
            yield InputChunk(number=number, first_row=first, rows=len(ids), read=rows)
            first += len(ids)

    def finish(self) -> None:
        """Check that no row of the alignment is left over after the last chunk.

        :raises UserError: one is.
        """
        if self._spans is not None:
            self._spans.finish()


def _bytes(files: Sequence[Any]) -> int:
    """Uncompressed bytes of Parquet files."""
    total = 0
    for path in files:
        with parquet_errors(path):
            metadata = pq.read_metadata(path)
        total += sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    return total


def _prepare(chunk: pa.Table, inputs: SpeechInputs, *, keep_unaligned: bool) -> Prepared:
    """Shard rows of joined rows; utterances that can't be used are rejected."""
    words, starts, ends, chars = (_spans(chunk, name) for name in ("words", "starts", "ends", CHAR_STARTS))
    ids = chunk.column("id").to_pylist()
    units = chunk.column("units")
    kept: list[int] = []
    rejects: list[tuple[str, str]] = []
    lengths = _lengths(units)
    for i, (id, length, largest) in enumerate(zip(ids, lengths, _largest(units, lengths), strict=True)):
        problem = _problem(words[i], starts[i], ends[i], length, largest, inputs.info.units)
        if problem == NOT_ALIGNED and keep_unaligned:
            words[i], starts[i], ends[i], chars[i], problem = [], [], [], [], None
        if problem is None and CHAR_STARTS in inputs.span_columns:
            problem = _characters_problem(words[i], starts[i], ends[i], chars[i])
        if problem is None:
            kept.append(i)
        else:
            rejects.append((id, problem))
    chosen_words = [words[i] or [] for i in kept]
    pieces = inputs.tokenizer.encode_rows(chosen_words)
    table = chunk.take(pa.array(kept, pa.int64()))
    columns = {
        "words": pa.array(chosen_words, SPEECH_SCHEMA.field("words").type),
        "word_pieces": pa.array(pieces, SPEECH_SCHEMA.field("word_pieces").type),
        "starts": pa.array([starts[i] for i in kept], SPEECH_SCHEMA.field("starts").type),
        "ends": pa.array([ends[i] for i in kept], SPEECH_SCHEMA.field("ends").type),
    }
    columns |= {name: table.column(name) for name in ("id", "source", "speaker", "units")}
    schema = inputs.schema
    if PIECE_STARTS.name in schema.names:
        begins = piece_starts(inputs.tokenizer, chosen_words, [chars[i] or [] for i in kept])
        columns[PIECE_STARTS.name] = pa.array(begins, PIECE_STARTS.type)
    made = pa.table({name: columns[name] for name in schema.names}).cast(schema)
    counts = speech_counts(
        np.asarray(_lengths(made.column("units")), np.int64),
        np.asarray([len(row) for row in chosen_words], np.int64),
        _flat(made.column("starts")),
        _flat(made.column("ends")),
        sum(len(word) for row in pieces for word in row),
    )
    return made, counts, rejects


def _spans(chunk: pa.Table, name: str) -> list[list[Any] | None]:
    """A column of the alignment, None for missing rows; empty lists without an alignment."""
    if name not in chunk.column_names:
        return [[] for _ in range(len(chunk))]
    values: list[list[Any] | None] = chunk.column(name).to_pylist()
    return values


def _lengths(lists: pa.ChunkedArray) -> list[int]:
    lengths: list[int] = pc.fill_null(pc.list_value_length(lists), 0).to_pylist()
    return lengths


def _flat(lists: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.concatenate([np.zeros(0, np.int64), *(chunk.flatten().to_numpy() for chunk in lists.chunks)])


def _largest(units: pa.ChunkedArray, lengths: Sequence[int]) -> list[int]:
    """The largest unit of each row, -1 for rows without units."""
    length_N = np.asarray(lengths, np.int64)
    largest_N = np.full(len(length_N), -1, np.int64)
    filled_N = length_N > 0
    if filled_N.any():
        first_N = np.cumsum(length_N) - length_N
        largest_N[filled_N] = np.maximum.reduceat(_flat(units), first_N[filled_N])
    found: list[int] = largest_N.tolist()
    return found


def _problem(
    words: list[str] | None,
    starts: list[int] | None,
    ends: list[int] | None,
    length: int,
    largest: int,
    clusters: int,
) -> str | None:
    """Why an utterance can't be used; None if it can."""
    if not length:
        return "no speech tokens"
    if largest >= clusters:
        return f"speech token {largest}, but the quantizer has {clusters}"
    if words is None or starts is None or ends is None:
        return NOT_ALIGNED
    if not len(words) == len(starts) == len(ends):
        return f"{len(words)} words, {len(starts)} starts, {len(ends)} ends"
    borders = [0, *itertools.chain.from_iterable(zip(starts, ends, strict=True)), length]
    if any(a > b for a, b in itertools.pairwise(borders)) or any(a == b for a, b in zip(starts, ends, strict=True)):
        return f"word spans overlap, are empty or reach beyond the {length} speech tokens"
    return None


def _characters_problem(
    words: list[str] | None, starts: list[int] | None, ends: list[int] | None, chars: list[list[int]] | None
) -> str | None:
    """Why the beginnings of an utterance's characters can't be used; None where they can."""
    if [len(word) for word in words or []] != [len(begins) for begins in chars or []]:
        return f"{CHAR_STARTS} has not one number for each character"
    for start, end, begins in zip(starts or [], ends or [], chars or [], strict=True):
        if begins[:1] != [0] or begins[-1] > end - start or any(a > b for a, b in itertools.pairwise(begins)):
            return f"{CHAR_STARTS} fall, do not begin with 0 or reach beyond their word"
    return None
