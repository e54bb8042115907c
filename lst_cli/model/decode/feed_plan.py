"""The plan of a decoding step, computed on the host.

Shape legend: B rows (sequences), R rows that are fed, N tokens that are fed (of all rows, one after the other), T these
and the tokens of patches that were open before, M patches that are closed now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lst_cli.patching.stream import Patches, Rule, TokenStream
from lst_cli.text.vocabulary import Vocabulary

Ints = NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class DecodingFeed:
    """Which tokens a feed adds and which patches it closes."""

    ids_N: Ints
    row_N: Ints
    place_N: Ints
    """Place of each token in its sequence; of those that bypass the local layers, as the others: see ``local_N``."""
    local_N: NDArray[np.bool_]
    """Which tokens go through the local layers. Places count these alone."""
    patch_N: Ints
    """For tokens that bypass them: which of the M patches each is."""
    last_closed_N: Ints
    """The last patch of its sequence that each token may use; -1 for none."""
    row_M: Ints
    patch_M: Ints
    """Place of each closed patch in its sequence."""
    local_M: NDArray[np.bool_]
    """Which patches are made of tokens that go through the local layers."""
    first_M: Ints
    last_M: Ints
    """Places of its first and last token."""
    oldest_M: Ints
    """Place of the first token that its queries see."""
    token_M: Ints
    """Which of the N tokens is its last; for patches that bypass the local layers."""
    final_R: Ints
    """Index of each row's last token among the N."""

    @property
    def one_each(self) -> bool:
        """Whether each row gets one token and closes one patch at most, and all go through the same layers."""
        return (
            len(self.final_R) == len(self.ids_N)
            and len(np.unique(self.row_M)) == len(self.row_M)
            and bool(self.local_N.all() and self.local_M.all())
        )

    def padded(self, rows: int, token_room: int, patch_room: int) -> DecodingFeed:
        """A feed of one token for each of ``rows`` rows, with a power of two of patches.

        Dummy entries write to the last place of a cache, which is never read.
        """
        patches = len(self.row_M)
        more = min(1 << (patches - 1).bit_length(), rows) - patches if patches else 0
        spare = token_room - 1
        at = self.row_N

        def full(values: Ints, fill: int) -> Ints:
            made = np.full(rows, fill)
            made[at] = values
            return made

        def longer(values: Ints, fill: int) -> Ints:
            return np.concatenate([values, np.full(more, fill, values.dtype)])

        return replace(
            self,
            ids_N=full(self.ids_N, 0),
            row_N=np.arange(rows),
            place_N=full(self.place_N, spare),
            local_N=np.ones(rows, np.bool_),
            patch_N=np.zeros(rows, np.int64),
            last_closed_N=full(self.last_closed_N, -1),
            row_M=longer(self.row_M, 0),
            patch_M=longer(self.patch_M, patch_room - 1),
            local_M=np.ones(patches + more, np.bool_),
            first_M=longer(self.first_M, spare),
            last_M=longer(self.last_M, spare),
            oldest_M=longer(self.oldest_M, spare),
            token_M=longer(self.token_M, 0),
            final_R=at,
        )


class RowProgress:
    """The state of each row."""

    def __init__(self, vocabulary: Vocabulary, rule: Rule, cross_window: int, rows: int, *, bypass: bool) -> None:
        """Start with rows that were fed nothing.

        :param cross_window: patches that the queries of a patch reach.
        :param bypass: whether text bypasses the local layers.
        """
        self._vocabulary = vocabulary
        self._rule = rule
        self._cross_window = cross_window
        self._bypass = bypass
        self.tokens_B = np.zeros(rows, dtype=np.int64)
        self.locals_B = np.zeros(rows, dtype=np.int64)
        """Tokens that went through the local layers."""
        self.patches_B = np.zeros(rows, dtype=np.int64)
        """Closed patches."""
        self._open_B = np.zeros(rows, dtype=np.int64)
        """Tokens since the last closed patch."""
        self._recent_BK = np.full((rows, rule.context + rule.longest), -1, dtype=np.int32)
        """Units of each row's last tokens, -1 for text: the open patch, and the context of the rule before it."""
        self._first_BM = np.zeros((rows, 64), dtype=np.int64)
        """First token of each patch, as a place."""

    def select(self, rows: Ints) -> RowProgress:
        """A copy of the given rows."""
        chosen = RowProgress(self._vocabulary, self._rule, self._cross_window, len(rows), bypass=self._bypass)
        for name in ("tokens_B", "locals_B", "patches_B", "_open_B", "_recent_BK", "_first_BM"):
            setattr(chosen, name, getattr(self, name)[rows])
        return chosen

    def feed(self, rows: Ints, tokens: Sequence[Ints]) -> DecodingFeed:
        """Cut each row's open patch and its new tokens into patches, and count them in."""
        ids_N = np.concatenate(tokens)
        count_R = np.array([len(row) for row in tokens])
        open_R = self._open_B[rows]
        length_R = open_R + count_R
        begin_R = np.cumsum(length_R) - length_R
        patches, speech_T, row_T, new_T = self._cut(rows, ids_N, count_R)
        opened_T = np.cumsum(patches.opens_T)
        patch_T = self.patches_B[rows][row_T] + opened_T - opened_T[begin_R][row_T]
        local_T = speech_T if self._bypass else np.ones(len(row_T), dtype=np.bool_)
        local_before_T: Ints = np.cumsum(local_T) - local_T
        token_T = (self.locals_B[rows] - open_R)[row_T] + local_before_T - local_before_T[begin_R][row_T]
        last_closed_T = patch_T - 1 + patches.closes_T
        final_R = np.cumsum(length_R) - 1
        starts = np.flatnonzero(patches.opens_T)
        last = np.append(starts[1:], len(row_T)) - 1
        closed = patch_T[starts] <= last_closed_T[final_R][row_T[starts]]
        starts, last = starts[closed], last[closed]
        row_M, patch_M = rows[row_T[starts]], patch_T[starts]
        self._note_first(row_M, patch_M, token_T[starts])
        self.patches_B[rows] = last_closed_T[final_R] + 1
        self._open_B[rows] = np.where(patches.closes_T[final_R], 0, _tail(patches.opens_T, final_R))
        self.tokens_B[rows] += count_R
        self.locals_B[rows] += np.bincount(row_T[local_T & new_T], minlength=len(rows))
        of_patch_T = np.repeat(-1, len(row_T))
        of_patch_T[starts] = np.arange(len(starts))
        return DecodingFeed(
            ids_N=ids_N,
            row_N=rows[row_T[new_T]],
            place_N=token_T[new_T],
            local_N=local_T[new_T],
            patch_N=of_patch_T[new_T],
            last_closed_N=last_closed_T[new_T],
            row_M=row_M,
            patch_M=patch_M,
            local_M=local_T[starts],
            first_M=token_T[starts],
            last_M=token_T[last],
            oldest_M=self._first_BM[row_M, np.maximum(0, patch_M - self._cross_window + 1)],
            token_M=(np.cumsum(new_T) - 1)[last],
            final_R=np.cumsum(count_R) - 1,
        )

    def _cut(
        self, rows: Ints, ids_N: Ints, count_R: Ints
    ) -> tuple[Patches, NDArray[np.bool_], Ints, NDArray[np.bool_]]:
        """Cut the open patches and the new tokens, and note the units of these.

        :returns: the patches; which tokens are speech tokens; the row of each; which are new.
        """
        recent = self._recent_BK.shape[1]
        row_T = np.repeat(np.arange(len(rows)), recent + count_R)
        begin_R = np.cumsum(recent + count_R) - recent - count_R
        place_T = np.arange(len(row_T)) - begin_R[row_T]
        new_T = place_T >= recent
        unit_T = np.empty(len(row_T), np.int32)
        unit_T[~new_T] = self._recent_BK[rows].ravel()
        unit_T[new_T] = self._vocabulary.speech_units(ids_N)
        self._recent_BK[rows] = unit_T[(begin_R + count_R)[:, None] + np.arange(recent)]
        past_T = place_T - (recent - self._open_B[rows])[row_T]
        patches = self._rule.patch(TokenStream(unit_T=unit_T, document_T=row_T, resumes_T=past_T == 0, new_T=new_T))
        kept_T = past_T >= 0
        kept = Patches(opens_T=patches.opens_T[kept_T], closes_T=patches.closes_T[kept_T])
        return kept, unit_T[kept_T] >= 0, row_T[kept_T], new_T[kept_T]

    def _note_first(self, row_M: Ints, patch_M: Ints, first_M: Ints) -> None:
        need = int(patch_M.max(initial=0)) + 1
        if need > self._first_BM.shape[1]:
            grown = np.zeros((len(self._first_BM), 2 * need), dtype=np.int64)
            grown[:, : self._first_BM.shape[1]] = self._first_BM
            self._first_BM = grown
        self._first_BM[row_M, patch_M] = first_M


def _tail(opens_T: NDArray[np.bool_], final_R: Ints) -> Ints:
    """Tokens from the last opening up to each row's end."""
    index_T = np.arange(len(opens_T))
    length_T: NDArray[np.int64] = index_T - np.maximum.accumulate(np.where(opens_T, index_T, 0)) + 1
    final_length_R: NDArray[np.int64] = length_T[final_R]
    return final_length_R
