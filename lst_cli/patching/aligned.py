"""Aligned patching: one patch for each word span and each silence span (Lu et al. 2025, section 3.1).

Where a word ends shows only when the next span has begun, so under causal boundaries a speech patch is closed by
the token after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lst_cli.patching.stream import Patches, TokenStream, since


def aligned(stream: TokenStream, *, merge_silence: bool) -> Patches:
    """Cut runs of speech at the borders of words and silences.

    :param merge_silence: silence joins the word before it, and leading silence the first word of its run
        (``sil merged``); otherwise silence has patches of its own (``sil sep.``).
    :raises ValueError: the stream has no alignment.
    """
    if stream.word_T is None:
        raise ValueError("aligned patching needs the words of the speech tokens")
    run_starts_T = stream.run_starts()
    word_T = _merge_silence(stream.word_T, run_starts_T) if merge_silence else stream.word_T
    opens_T = run_starts_T.copy()
    opens_T[1:] |= word_T[1:] != word_T[:-1]
    return Patches(opens_T=opens_T, closes_T=~stream.speech_T)


def _merge_silence(word_T: NDArray[np.integer], run_starts_T: NDArray[np.bool_]) -> NDArray[np.integer]:
    """Give silent tokens the word before them in their run, or the first word of the run."""
    index_T = np.arange(len(word_T))
    start_T = index_T - since(run_starts_T)
    last_word_T = np.maximum.accumulate(np.where(word_T >= 0, index_T, -1))
    spoken_T = last_word_T >= start_T  # a word has begun in this run
    merged_T = np.where(spoken_T, word_T[np.maximum(last_word_T, 0)], -1)
    # Leading silence: look at the first word after it, if that is in the same run.
    next_word_T = np.minimum.accumulate(np.where(word_T >= 0, index_T, len(word_T))[::-1])[::-1]
    has_next_T = ~spoken_T & (next_word_T < len(word_T))
    first_T = np.minimum(next_word_T, len(word_T) - 1)
    joins_T = has_next_T & (start_T[first_T] == start_T)
    return np.where(joins_T, word_T[first_T], merged_T)
