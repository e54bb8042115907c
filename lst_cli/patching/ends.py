"""Cuts runs of speech where a rule says that the open patch ends.

Whether a patch ends with a token may depend on its length so far, so where one opens depends on where the one before
it ended. The end is found for every place where a patch could open; then the places where one does are followed from
the start of each run, doubling the number of patches at each step.

Shape legend: T tokens, L lengths of a patch (column l - 1 for length l).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lst_cli.patching.stream import Patches, TokenStream, since


def cut_at_ends(stream: TokenStream, ends_TL: NDArray[np.bool_]) -> Patches:
    """Patch every run of speech; each text token is one patch.

    :param ends_TL: whether a patch of length l ends with token t, from the past of t alone. The greatest length
        ends a patch whatever its column says.
    """
    n, longest = ends_TL.shape
    starts_T = stream.run_starts()
    next_T = np.arange(n) + longest
    for length in range(longest - 1, 0, -1):
        first_T = np.flatnonzero(ends_TL[length - 1 :, length - 1])
        next_T[first_T] = first_T + length
    opens_T = _follow(starts_T, np.minimum(next_T, _run_ends(starts_T)))
    place_T = since(opens_T)
    full_T = ends_TL[np.arange(n), place_T] | (place_T == longest - 1)
    return Patches(opens_T=opens_T, closes_T=~stream.speech_T | full_T)


def _run_ends(starts_T: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where the run after each token's own begins."""
    n = len(starts_T)
    later_T = np.append(np.where(starts_T, np.arange(n), n)[1:], n)
    ends_T: NDArray[np.int64] = np.minimum.accumulate(later_T[::-1])[::-1]
    return ends_T


def _follow(starts_T: NDArray[np.bool_], next_T: NDArray[np.int64]) -> NDArray[np.bool_]:
    """All tokens that are reached from the starts, going from token to next token."""
    n = len(starts_T)
    reached_T = np.append(starts_T, True)
    jump_T = np.append(next_T, n)
    before, count = 0, int(np.count_nonzero(reached_T))
    while before < count:
        reached_T[jump_T[reached_T]] = True
        jump_T = jump_T[jump_T]
        before, count = count, int(np.count_nonzero(reached_T))
    return reached_T[:-1]
