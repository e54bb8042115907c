"""``lst corpus show``: the contents of a corpus, and its rejects with their reasons."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from lst_cli.artifacts.draft import REJECTS
from lst_cli.audio.corpus_artifact import Corpus

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BINS_S = (0, 1, 2, 5, 10, 15, 20, 30, 60, 300, 3600)
"""Lower ends of the length histogram's bins, in seconds."""


def describe_corpus(corpus: Corpus) -> dict[str, Any]:
    """Figures of a corpus as plain data: hours, utterances, speakers, lengths, rejects."""
    seconds = corpus.seconds
    quantiles = np.quantile(seconds, (0.0, 0.5, 1.0)) if len(seconds) else np.zeros(3)
    return {
        "reference": corpus.artifact.reference,
        "hours": float(seconds.sum()) / 3600,
        "utterances": len(corpus),
        "with_text": len(corpus) - corpus.table.column("text").null_count,
        "words": sum(len(text.split()) for text in corpus.table.column("text").to_pylist() if text),
        "files": len(corpus.table.column("path").unique()),
        "sample_rates": _counts(corpus, "sample_rate"),
        "sources": _counts(corpus, "source"),
        "speakers": _hours_by_speaker(corpus),
        "seconds": dict(zip(("shortest", "median", "longest"), map(float, quantiles), strict=True)),
        "lengths": length_histogram(seconds),
        "rejects": read_rejects(corpus),
    }


def length_histogram(seconds: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Utterances and hours in each bin of length, up to the last that is used.

    ``to_s`` is exclusive, and None for the open last bin.
    """
    bin = np.searchsorted(np.array(_BINS_S, dtype=np.float64), seconds, side="right") - 1
    counts = np.bincount(bin, minlength=len(_BINS_S))
    sums = np.bincount(bin, weights=seconds, minlength=len(_BINS_S))
    used = int(bin.max()) + 1 if len(bin) else 0
    return [
        {"from_s": low, "to_s": high, "utterances": int(count), "hours": float(total) / 3600}
        for low, high, count, total in zip(_BINS_S[:used], (*_BINS_S[1:], None), counts, sums, strict=False)
    ]


def read_rejects(corpus: Corpus) -> list[dict[str, str]]:
    """(id, reason) of every input that was rejected when the corpus was made."""
    from lst_cli.artifacts.parquet import read_parquet

    if REJECTS not in {record.path for record in corpus.artifact.files}:
        return []
    rows: list[dict[str, str]] = read_parquet(corpus.artifact.file(REJECTS)).to_pylist()
    return rows


def _counts(corpus: Corpus, column: str) -> dict[str, int]:
    values = Counter(corpus.table.column(column).to_pylist())
    return {str(value): count for value, count in sorted(values.items())}


def _hours_by_speaker(corpus: Corpus) -> dict[str, float]:
    hours: Counter[str] = Counter()
    for speaker, seconds in zip(corpus.table.column("speaker").to_pylist(), corpus.seconds.tolist(), strict=True):
        if speaker is not None:
            hours[speaker] += seconds / 3600
    return dict(hours.most_common())
