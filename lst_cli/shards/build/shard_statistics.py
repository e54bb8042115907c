"""Figures of shards, added up over chunks of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lst_cli.shards.documents.ragged import offsets
from lst_cli.units.frames import RATE_HZ

Counts = dict[str, int]
"""Sums that can be added up."""

STATIC_SIZE = 4
"""Speech tokens in a static patch, for the figures (Lu et al. 2025, section 3.1)."""


def statistic_name(key: str) -> str:
    """What a statistic of shards is called in text: ``pieces_per_word`` is "text tokens per word"."""
    return key.replace("_", " ").replace("pieces", "text tokens")


def speech_counts(
    units_R: NDArray[np.integer],
    words_R: NDArray[np.integer],
    start_W: NDArray[np.integer],
    end_W: NDArray[np.integer],
    pieces: int,
) -> Counts:
    """Sums over utterances, of which R rows hold W words.

    :param units_R: speech tokens of each row.
    :param words_R: words of each row.
    :param start_W: first frame of each word.
    :param end_W: last (exclusive) frame of each word.
    :param pieces: text tokens of all words.
    """
    silences = _silences(units_R, words_R, start_W, end_W)
    return {
        "utterances": len(units_R),
        "unaligned_utterances": int((words_R == 0).sum()),
        "units": int(units_R.sum()),
        "words": len(start_W),
        "pieces": pieces,
        "word_units": int((end_W - start_W).sum()),
        "silences": silences,
        "static_patches": int((-(-units_R // STATIC_SIZE)).sum()),
        "aligned_units": int(units_R[words_R > 0].sum()),
    }


def _silences(
    units_R: NDArray[np.integer],
    words_R: NDArray[np.integer],
    start_W: NDArray[np.integer],
    end_W: NDArray[np.integer],
) -> int:
    """Runs of silence before, between and after the words of aligned rows."""
    aligned_R = words_R > 0
    word_start_R = offsets(words_R)
    first = word_start_R[:-1][aligned_R]
    last = word_start_R[1:][aligned_R] - 1
    gap_W = np.ones(len(start_W), np.bool_)
    gap_W[1:] = start_W[1:] > end_W[:-1]
    gap_W[first] = start_W[first] > 0
    return int(gap_W.sum() + (end_W[last] < units_R[aligned_R]).sum())


def add_up(parts: Iterable[Mapping[str, int]]) -> Counts:
    """Sums of sums."""
    total: Counts = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total


def speech_statistics(counts: Mapping[str, int]) -> dict[str, Any]:
    """Statistics for the manifest of speech shards."""
    words, silences, silent = counts["words"], counts["silences"], counts["aligned_units"] - counts["word_units"]
    return {
        "utterances": counts["utterances"],
        "unaligned_utterances": counts["unaligned_utterances"],
        "hours": round(counts["units"] / RATE_HZ / 3600, 4),
        "units": counts["units"],
        "words": words,
        "pieces": counts["pieces"],
        "units_per_word": _ratio(counts["aligned_units"], words),
        "pieces_per_word": _ratio(counts["pieces"], words),
        "silence_share": _ratio(silent, counts["aligned_units"]),
        "patch_size": {
            "static": _ratio(counts["units"], counts["static_patches"]),
            "word": _ratio(counts["word_units"], words),
            "silence": _ratio(silent, silences),
            "aligned_separate": _ratio(counts["aligned_units"], words + silences),
            "aligned_merged": _ratio(counts["aligned_units"], words),
        },
    }


def text_statistics(counts: Mapping[str, int]) -> dict[str, Any]:
    """Statistics for the manifest of text shards."""
    return {
        "documents": counts["documents"],
        "pieces": counts["pieces"],
        "words": counts["words"],
        "pieces_per_word": _ratio(counts["pieces"], counts["words"]),
        "pieces_per_document": _ratio(counts["pieces"], counts["documents"]),
    }


def _ratio(a: int, b: int) -> float | None:
    return round(a / b, 4) if b else None
