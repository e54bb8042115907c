"""Documents of several sources in one line, in shares counted in tokens, without a random draw.

Every document has a virtual time: the tokens of its source before it (before a speech BPE merges them), divided by the
source's weight. The line is in order of virtual time; at equal times the source named first goes first. So the shares
hold everywhere, up to one document of each source, and where a stream stands follows from the sources' cursors.

Legend: D documents, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lst_cli.shards.documents.document import Documents
from lst_cli.shards.documents.ragged import indices, offsets
from lst_cli.shards.read.feed import Chunk, Cursor, Feed, concatenate

_TOKENS = 2  # column of Chunk.cursor_DC


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Documents of all sources in the mixture's order."""

    documents: Documents
    source_D: NDArray[np.int64]
    """Index of each document's source."""
    cursor_DC: NDArray[np.int64]
    """The cursor in its source before each document."""


class Mixture:
    """Merges the feeds of one stream."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = feeds
        self._pending: list[Chunk | None] = [None] * len(feeds)
        self._finished = [False] * len(feeds)

    def cursors(self) -> list[Cursor]:
        """For each source, the cursor before the first document that :meth:`next` has not given yet."""
        return [
            feed.cursor if chunk is None else Cursor(*chunk.cursor_DC[0].tolist())
            for feed, chunk in zip(self._feeds, self._pending, strict=True)
        ]

    def next(self) -> Merged | None:
        """The next documents of the line, as many as are certain; None when all feeds have ended."""
        for i, feed in enumerate(self._feeds):
            self._fill(i, feed)
        horizon = min((self._end(i) for i in range(len(self._feeds))), default=np.inf)
        taken = [self._take(i, horizon) for i in range(len(self._feeds))]
        found = [(i, chunk) for i, chunk in enumerate(taken) if chunk is not None]
        if not found:
            return None
        if len(self._feeds) == 1:
            chunk = found[0][1]
            source_D = np.zeros(len(chunk.documents), np.int64)
            return Merged(documents=chunk.documents, source_D=source_D, cursor_DC=chunk.cursor_DC)
        return self._merge(found)

    def _fill(self, i: int, feed: Feed) -> None:
        pending = self._pending[i]
        while not self._finished[i] and (pending is None or not len(pending.documents.tokens_T)):
            chunk = feed.next()
            self._finished[i] = chunk is None
            if chunk is not None:
                pending = chunk if pending is None else concatenate([pending, chunk])
        self._pending[i] = pending

    def _end(self, i: int) -> float:
        """The virtual time up to which the source's documents are known."""
        pending = self._pending[i]
        if self._finished[i] or pending is None:
            return np.inf
        return pending.tokens / self._feeds[i].source.weight

    def _time_D(self, i: int, chunk: Chunk) -> NDArray[np.float64]:
        time_D: NDArray[np.float64] = chunk.cursor_DC[:, _TOKENS] / self._feeds[i].source.weight
        return time_D

    def _take(self, i: int, horizon: float) -> Chunk | None:
        """The documents before the horizon; the others stay pending."""
        pending = self._pending[i]
        if pending is None:
            return None
        n = int(np.searchsorted(self._time_D(i, pending), horizon, side="left"))
        taken, left = _split(pending, n)
        self._pending[i] = left
        return taken

    def _merge(self, found: list[tuple[int, Chunk]]) -> Merged:
        chunk = concatenate([chunk for _, chunk in found])
        source_D = np.repeat([i for i, _ in found], [len(chunk.documents) for _, chunk in found])
        time_D = np.concatenate([self._time_D(i, chunk) for i, chunk in found])
        order = np.lexsort((source_D, time_D))
        documents = chunk.documents
        lengths_D = documents.lengths_D[order]
        index_T = indices(documents.start_D[:-1][order], lengths_D)
        return Merged(
            documents=Documents(
                tokens_T=documents.tokens_T[index_T],
                words_T=documents.words_T[index_T],
                start_D=offsets(lengths_D),
                loss_from_D=documents.loss_from_D[order],
            ),
            source_D=source_D[order],
            cursor_DC=chunk.cursor_DC[order],
        )


def _split(chunk: Chunk, n: int) -> tuple[Chunk | None, Chunk | None]:
    """The first ``n`` documents and the others."""
    if n == 0:
        return None, chunk
    if n == len(chunk.documents):
        return chunk, None
    return _part(chunk, 0, n), _part(chunk, n, len(chunk.documents))


def _part(chunk: Chunk, first: int, last: int) -> Chunk:
    documents = chunk.documents
    start, end = documents.start_D[first], documents.start_D[last]
    return Chunk(
        documents=Documents(
            tokens_T=documents.tokens_T[start:end],
            words_T=documents.words_T[start:end],
            start_D=documents.start_D[first : last + 1] - start,
            loss_from_D=documents.loss_from_D[first:last],
        ),
        cursor_DC=chunk.cursor_DC[first:last],
        tokens=int(chunk.cursor_DC[last, _TOKENS]) if last < len(chunk.documents) else chunk.tokens,
    )
