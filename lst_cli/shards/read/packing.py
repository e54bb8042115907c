"""Packing: a window of one stream's merged documents, from whose front sequences are cut.

Legend: D documents, T tokens, P positions of the global transformer (patches).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.patching.packed import IGNORE
from lst_cli.patching.strategies import Cut, Patcher
from lst_cli.patching.stream import Patches, TokenStream
from lst_cli.shards.documents.document import Documents
from lst_cli.shards.documents.ragged import indices
from lst_cli.shards.read.mixture import Merged
from lst_cli.text.vocabulary import Vocabulary

_HOPELESS = 1000
"""Documents tried in a row, none of which fits, before the search ends."""


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """One packed sequence: documents, or ends and beginnings of documents, that never see each other."""

    tokens_T: NDArray[np.int32]
    targets_T: NDArray[np.int32]
    """The next token of the same document, also where the sequence ends before it; or ``IGNORE``."""
    document_T: NDArray[np.int32]
    """Counted from 0."""
    patches: Patches
    positions: int
    """Patches."""
    too_long: int = 0
    """Documents skipped because they do not fit into any sequence."""


class PackingWindow:
    """Documents in memory. Tokens before :attr:`at` have been given away in sequences."""

    def __init__(self, vocabulary: Vocabulary, patcher: Patcher) -> None:
        self._vocabulary = vocabulary
        self._patcher = patcher
        self._documents = Documents(
            tokens_T=np.zeros(0, np.int32),
            words_T=np.zeros(0, np.int32),
            start_D=np.zeros(1, np.int64),
            loss_from_D=np.zeros(0, np.int64),
        )
        self._targets_T: NDArray[np.int32] = np.zeros(0, np.int32)
        self.source_D: NDArray[np.int64] = np.zeros(0, np.int64)
        self.cursor_DC: NDArray[np.int64] = np.zeros((0, 5), np.int64)
        self.at = 0
        """Index of the first token that no sequence holds yet."""
        self._dropped = 0
        self._patched: dict[Cut, tuple[Patches, NDArray[np.int64]]] = {}
        self._derive()

    @property
    def first(self) -> int:
        """Index of the first document that has a token after :attr:`at`."""
        return int(np.searchsorted(self._documents.start_D[1:], self.at, side="right"))

    @property
    def offset(self) -> int:
        """Tokens of the first document before :attr:`at`."""
        first = self.first
        if first == len(self._documents):
            return 0
        dropped = self._dropped if first == 0 else 0
        return self.at - int(self._documents.start_D[first]) + dropped

    def extend(self, merged: Merged) -> None:
        """Drop what was returned and append documents."""
        first, at, offset = self.first, self.at, self.offset
        old, new = self._documents, merged.documents
        left = np.maximum(old.start_D[first:] - at, 0)
        self._documents = Documents(
            tokens_T=np.concatenate([old.tokens_T[at:], new.tokens_T]),
            words_T=np.concatenate([old.words_T[at:], new.words_T]),
            start_D=np.concatenate([left, new.start_D[1:] + (len(old.tokens_T) - at)]),
            loss_from_D=np.zeros(0, np.int64),
        )
        self._targets_T = np.concatenate([self._targets_T[at:], _targets(new)])
        self.source_D = np.concatenate([self.source_D[first:], merged.source_D])
        self.cursor_DC = np.concatenate([self.cursor_DC[first:], merged.cursor_DC])
        self.at, self._dropped = 0, offset
        self._derive()

    def _derive(self) -> None:
        """Derived from the documents."""
        self._patched = {}
        tokens_T = self._documents.tokens_T
        self._unit_T = self._vocabulary.speech_units(tokens_T)
        starts = self._documents.start_D[:-1]
        opens_T = np.zeros(len(tokens_T), np.int32)
        opens_T[starts[starts < len(tokens_T)]] = 1
        self._document_T = np.cumsum(opens_T, dtype=np.int32) - np.int32(1)

    def _patches(self, cut: Cut) -> tuple[Patches, NDArray[np.int64]]:
        """All patches under a cut, and where they open."""
        if cut not in self._patched:
            stream = TokenStream(unit_T=self._unit_T, document_T=self._document_T, word_T=self._documents.words_T)
            patches = self._patcher.patch(stream, cut)
            self._patched[cut] = (patches, np.flatnonzero(patches.opens_T))
        return self._patched[cut]

    def cut(self, positions: int, cut: Cut, *, last: bool) -> Sequence | None:
        """Give away tokens up to the end of the patch at which the sequence is full.

        A document that continues after it begins the next sequence as a separate document.

        :param last: nothing will be added any more: give what there is, though it fill less.
        :returns: None where more documents are needed first.
        """
        at, n_tokens = self.at, len(self._documents.tokens_T)
        if at == n_tokens:
            return None
        patches, opens = self._patches(cut)
        head, head_end = self._head(at, cut)
        head_opens = np.flatnonzero(head.opens_T) + at
        behind = opens[np.searchsorted(opens, head_end) :][: max(positions + 1 - len(head_opens), 0)]
        known = np.concatenate([head_opens, behind])
        if len(known) <= positions and not last:
            return None
        end = int(known[positions]) if len(known) > positions else n_tokens
        join = min(head_end, end)
        sequence = self._sequence(
            slice(at, end),
            Patches(
                opens_T=np.concatenate([head.opens_T[: join - at], patches.opens_T[join:end]]),
                closes_T=np.concatenate([head.closes_T[: join - at], patches.closes_T[join:end]]),
            ),
            min(len(known), positions),
        )
        self.at = end
        return sequence

    def _head(self, at: int, cut: Cut) -> tuple[Patches, int]:
        """Patches of the rest of a run of speech that the sequence before has begun, and where the run ends.

        The rest is a run of its own, however the previous sequence was cut; all later runs stay as they are.
        """
        unit_T, document_T = self._unit_T, self._document_T
        if at == 0 or not (unit_T[at] >= 0 and unit_T[at - 1] >= 0 and document_T[at] == document_T[at - 1]):
            return Patches(opens_T=np.zeros(0, np.bool_), closes_T=np.zeros(0, np.bool_)), at
        document_end = int(self._documents.start_D[self.first + 1])
        text_T = unit_T[at:document_end] < 0
        end = at + int(np.argmax(text_T)) if text_T.any() else document_end
        run = TokenStream(unit_T=unit_T[at:end], document_T=document_T[at:end], word_T=self._documents.words_T[at:end])
        return self._patcher.patch(run, cut), end

    def whole(self, positions: int, cut: Cut, *, last: bool) -> Sequence | None:
        """Return whole documents, as many as fit. Those that fit into no sequence are skipped and counted.

        :param last: nothing will be added any more: give what there is.
        :returns: None where more documents are needed first, or none is left.
        :raises UserError: no document fits, of very many.
        """
        first = self.first
        if first == len(self._documents):
            return None
        patches, opens = self._patches(cut)
        start_D = self._documents.start_D[first:]
        lengths_D = np.diff(np.searchsorted(opens, start_D))
        fits_D = lengths_D <= positions
        if len(fits_D) > _HOPELESS and not fits_D.any():
            raise UserError(
                f"none of {len(fits_D)} documents fits into a sequence",
                found=f"the shortest has {int(lengths_D.min())} positions",
                expected=f"at most {positions}",
                fix="raise the positions of a sequence",
            )
        n = int(np.searchsorted(np.cumsum(np.where(fits_D, lengths_D, 0)), positions, side="right"))
        if n == len(lengths_D) and not last:
            return None
        kept_D = fits_D[:n] & (lengths_D[:n] > 0)
        index_T = indices(start_D[:n][kept_D], np.diff(start_D)[:n][kept_D])
        self.at = int(start_D[n])
        return self._sequence(
            index_T,
            Patches(opens_T=patches.opens_T[index_T], closes_T=patches.closes_T[index_T]),
            int(lengths_D[:n][kept_D].sum()),
            too_long=int((~fits_D[:n]).sum()),
        )

    def _sequence(
        self, chosen: slice | NDArray[np.int64], patches: Patches, positions: int, too_long: int = 0
    ) -> Sequence:
        document_T = self._document_T[chosen]
        starts_T = np.ones(len(document_T), np.bool_)
        starts_T[1:] = document_T[1:] != document_T[:-1]
        return Sequence(
            tokens_T=self._documents.tokens_T[chosen],
            targets_T=self._targets_T[chosen],
            document_T=np.cumsum(starts_T, dtype=np.int32) - np.int32(1),
            patches=patches,
            positions=positions,
            too_long=too_long,
        )


def _targets(documents: Documents) -> NDArray[np.int32]:
    """The next token of the same document, from the document's first target on."""
    targets_T = np.append(documents.tokens_T[1:], np.int32(IGNORE))[: len(documents.tokens_T)].astype(np.int32)
    filled_D = documents.lengths_D > 0
    start_D = documents.start_D[:-1][filled_D]
    targets_T[documents.start_D[1:][filled_D] - 1] = IGNORE
    hidden_D = documents.loss_from_D[filled_D] - 1
    if hidden_D.any():
        targets_T[indices(start_D, hidden_D)] = IGNORE
    return targets_T
