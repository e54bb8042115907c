"""Text shards: the pieces of every document, shuffled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from lst_cli.artifacts import Draft
from lst_cli.shards.build.build_shards import BuildOptions, Prepared, shuffled_shards
from lst_cli.shards.build.shard_statistics import text_statistics
from lst_cli.shards.schema import TEXT_SCHEMA, ShardInfo
from lst_cli.text.text_files import SplitBy, TextDocument, TextFile, is_compressed, read_documents
from lst_cli.text.tokenizer import TextTokenizer

_CHUNK_CHARACTERS = 1 << 24
_CHUNK_DOCUMENTS = 1 << 16
_COMPRESSION = 4
"""Bytes of text that a byte of a compressed file is counted as, to choose the number of shards."""


def build_text_shards(
    draft: Draft,
    files: Sequence[TextFile],
    tokenizer: TextTokenizer,
    info: ShardInfo,
    options: BuildOptions,
    *,
    split: SplitBy,
    field: str,
    threads: int,
) -> None:
    """Write the shards of text files into a draft.

    :param threads: threads of the tokenizer; the shards are the same for any number.
    :raises UserError: too many documents are rejected, or there is none.
    """

    def prepare(chunk: pa.Table) -> Prepared:
        return _prepare(chunk, tokenizer, threads)

    size = sum(file.path.stat().st_size * (_COMPRESSION if is_compressed(file.path) else 1) for file in files)
    counts = shuffled_shards(
        draft,
        _chunks(read_documents(files, split, field)),
        prepare,
        schema=TEXT_SCHEMA,
        info=info,
        input_bytes=size,
        options=options,
    )
    draft.statistics.update(text_statistics(counts))


def _chunks(documents: Iterator[TextDocument]) -> Iterator[pa.Table]:
    """Documents in tables of bounded size."""
    held: list[TextDocument] = []
    characters = 0
    for document in documents:
        held.append(document)
        characters += len(document.text)
        if characters >= _CHUNK_CHARACTERS or len(held) == _CHUNK_DOCUMENTS:
            yield _table(held)
            held, characters = [], 0
    if held:
        yield _table(held)


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
