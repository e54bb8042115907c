"""Text shards: the text tokens of every document, shuffled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from lst_cli.artifacts import Draft
from lst_cli.distributed.shared_work import SharedParts
from lst_cli.shards.build.build_shards import BuildOptions, Prepared, ShuffledShards
from lst_cli.shards.build.shard_statistics import text_statistics
from lst_cli.shards.build.shared_chunks import InputChunk
from lst_cli.shards.schema import TEXT_SCHEMA, ShardInfo
from lst_cli.text.text_files import SplitBy, TextDocument, TextFile, is_compressed, read_documents
from lst_cli.text.tokenizer import TextTokenizer

_CHUNK_CHARACTERS = 1 << 24
_CHUNK_DOCUMENTS = 1 << 16
_COMPRESSION = 4
"""Bytes of text that a byte of a compressed file is counted as, to choose the number of shards."""


class TextShards:
    """The shards of text files, to be made by any number of ranks."""

    def __init__(
        self,
        files: Sequence[TextFile],
        tokenizer: TextTokenizer,
        info: ShardInfo,
        options: BuildOptions,
        *,
        split: SplitBy,
        field: str,
        threads: int,
    ) -> None:
        """Prepare the work.

        :param threads: threads of the tokenizer; the shards are the same for any number.
        """
        size = sum(file.path.stat().st_size * (_COMPRESSION if is_compressed(file.path) else 1) for file in files)
        self._shards = ShuffledShards(
            chunks=_DocumentChunks(files, split, field),
            prepare=lambda chunk: _prepare(chunk, tokenizer, threads),
            schema=TEXT_SCHEMA,
            info=info,
            input_bytes=size,
            options=options,
        )

    def share(self, parts: SharedParts) -> None:
        """The work of a rank other than 0."""
        self._shards.share(parts)

    def make(self, draft: Draft, parts: SharedParts) -> None:
        """Make the shards in a draft.

        :raises UserError: too many documents are rejected, or there is none.
        """
        draft.statistics.update(text_statistics(self._shards.make(draft, parts)))


@dataclass(frozen=True)
class _DocumentChunks:
    """Documents in chunks of bounded size."""

    files: Sequence[TextFile]
    split: SplitBy
    field: str

    def __iter__(self) -> Iterator[InputChunk]:
        first = 0
        for number, documents in enumerate(self._groups()):
            yield InputChunk(number=number, first_row=first, rows=len(documents), read=partial(_table, documents))
            first += len(documents)

    def _groups(self) -> Iterator[list[TextDocument]]:
        held: list[TextDocument] = []
        characters = 0
        for document in read_documents(self.files, self.split, self.field):
            held.append(document)
            characters += len(document.text)
            if characters >= _CHUNK_CHARACTERS or len(held) == _CHUNK_DOCUMENTS:
                yield held
                held, characters = [], 0
        if held:
            yield held


def _table(documents: list[TextDocument]) -> pa.Table:
    columns = {name: [getattr(document, name) for document in documents] for name in ("id", "text", "problem")}
    return pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns]))


def _prepare(chunk: pa.Table, tokenizer: TextTokenizer, threads: int) -> Prepared:
    ids, texts, problems = (chunk.column(name).to_pylist() for name in ("id", "text", "problem"))
    pieces = tokenizer.encode_batch(texts, threads)
    kept: list[int] = []
    rejects: list[tuple[str, str]] = []
    for i, id in enumerate(ids):
        problem = problems[i] or (None if pieces[i] else "no text")
        if problem is None:
            kept.append(i)
        else:
            rejects.append((id, problem))
    rows = [pieces[i] for i in kept]
    counts = {
        "documents": len(rows),
        "pieces": sum(map(len, rows)),
        "words": sum(len(texts[i].split()) for i in kept),
    }
    return pa.table({"id": [ids[i] for i in kept], "pieces": rows}, schema=TEXT_SCHEMA), counts, rejects
