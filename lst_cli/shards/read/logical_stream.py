"""A logical stream: sources, mixture and packing, with a place that fits into a few numbers."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lst_cli.patching.strategies import Cut, Patcher
from lst_cli.shards.read.feed import Cursor, Feed
from lst_cli.shards.read.mixture import Mixture
from lst_cli.shards.read.packing import PackingWindow, Sequence
from lst_cli.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Place:
    """Where a stream stands between two sequences. Small, and plain data in :meth:`to_json`."""

    cursors: dict[str, Cursor]
    """For each source, before the first document that is not used up."""
    sequences: int = 0
    """Sequences given so far."""
    offset: int = 0
    """Tokens of the mixture's next document that earlier sequences hold."""
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("text_tokens", "speech_tokens", "positions", "padding", "too_long"), 0)
    )
    """What the sequences so far held: tokens (markers and end tokens are text), positions, positions left empty, and
    documents skipped because they fit into no sequence."""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Place:
        """From what :meth:`to_json` gave."""
        cursors = {name: Cursor(**cursor) for name, cursor in data["cursors"].items()}
        return cls(cursors, data["sequences"], data["offset"], dict(data["counts"]))


class LogicalStream:
    """Yields packed sequences from a position.

    :param positions: positions of a sequence.
    :param whole: pack whole documents and leave the rest of a sequence empty, instead of cutting documents.
    """

    def __init__(
        self,
        feeds: SequenceOf[Feed],
        place: Place,
        *,
        positions: int,
        whole: bool,
        vocabulary: Vocabulary,
        patcher: Patcher,
    ) -> None:
        self._names = [feed.source.name for feed in feeds]
        self._mixture = Mixture(feeds)
        self._window = PackingWindow(vocabulary, patcher)
        self._positions = positions
        self._whole = whole
        self._vocabulary = vocabulary
        self._sequences = place.sequences
        self._skip = place.offset
        self._counts = dict(place.counts)

    @property
    def sequences(self) -> int:
        """Sequences given so far."""
        return self._sequences

    def next(self, cut: Cut) -> Sequence | None:
        """The next sequence; None when all sources have ended.

        :raises UserError: a row group is damaged, or no document is of use.
        """
        give = self._window.whole if self._whole else self._window.cut
        sequence = give(self._positions, cut, last=False)
        while sequence is None:
            merged = self._mixture.next()
            if merged is None:
                sequence = give(self._positions, cut, last=True)
                break
            self._window.extend(merged)
            if self._skip and len(merged.documents.tokens_T):
                self._window.at, self._skip = self._skip, 0
            sequence = give(self._positions, cut, last=False)
        if sequence is not None:
            self._count(sequence)
        return sequence

    def _count(self, sequence: Sequence) -> None:
        speech = int(np.count_nonzero(self._vocabulary.is_speech(sequence.tokens_T)))
        self._sequences += 1
        self._counts["speech_tokens"] += speech
        self._counts["text_tokens"] += len(sequence.tokens_T) - speech
        self._counts["positions"] += sequence.positions
        self._counts["padding"] += self._positions - sequence.positions
        self._counts["too_long"] += sequence.too_long

    def place(self) -> Place:
        """Where the stream stands now; a new stream made with it gives the same sequences as this one from here on."""
        window = self._window
        first = window.first
        cursors = {}
        for i, (name, pending) in enumerate(zip(self._names, self._mixture.cursors(), strict=True)):
            left = np.flatnonzero(window.source_D[first:] == i)
            cursors[name] = Cursor(*window.cursor_DC[first + left[0]].tolist()) if len(left) else pending
        return Place(cursors, self._sequences, self._skip or window.offset, dict(self._counts))
