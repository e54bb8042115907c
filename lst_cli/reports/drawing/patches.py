"""Patches of utterances: spans of single utterances, and lengths over a whole alignment.

Legend: T speech tokens, P patches, W words, L lengths in tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lst_cli.alignment.read_alignment import Aligned
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.patching.stream import Patches, Rule
from lst_cli.patching_rules.aligned_stream import utterance_stream

MOST_UTTERANCES = 20_000
"""Lengths are counted over at most the first utterances, this many; the page says so."""


@dataclass(frozen=True)
class Span:
    """One patch of an utterance: tokens ``start`` to ``end`` (end exclusive)."""

    start: int
    end: int
    word: int
    """Index of the word that the patch begins with; -1 for silence."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Patches of one kind, counted."""

    name: str
    counts_L: NDArray[np.int64]
    """How many patches have each length; index 0 is unused."""

    @property
    def patches(self) -> int:
        """Number of patches."""
        return int(self.counts_L.sum())

    @property
    def mean(self) -> float:
        """Mean length in tokens."""
        return float((self.counts_L * np.arange(len(self.counts_L))).sum() / self.counts_L.sum())


def lanes(utterance: Aligned, config: PatchingConfig, rules: Mapping[str, Rule]) -> dict[str, list[Span]]:
    """The patches of one utterance, by name: aligned, static, and those of the rules."""
    stream, patcher = utterance_stream([utterance]), Patcher(config)
    cuts = {"aligned": patcher.patch(stream, "aligned"), "static": patcher.patch(stream, "static")}
    return {
        name: _spans(utterance, patches)
        for name, patches in {**cuts, **{name: rule.patch(stream) for name, rule in rules.items()}}.items()
    }


def _spans(utterance: Aligned, patches: Patches) -> list[Span]:
    starts_P, ends_P = _borders(patches)
    word_T = utterance.word_T()
    return [Span(int(start), int(end), int(word_T[start])) for start, end in zip(starts_P, ends_P, strict=True)]


def _borders(patches: Patches) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    starts_P = np.flatnonzero(patches.opens_T)
    return starts_P, np.append(starts_P[1:], len(patches.opens_T))


def count_lengths(utterances: Sequence[Aligned], config: PatchingConfig) -> list[Lengths]:
    """Lengths of aligned patches (words, silences; silence merged into words) and of static patches."""
    stream = utterance_stream(utterances)
    assert stream.word_T is not None
    separate = Patcher(PatchingConfig(size=config.size, silence="separate"))
    merged = Patcher(PatchingConfig(size=config.size, silence="merged"))
    starts_P, ends_P = _borders(separate.patch(stream, "aligned"))
    spoken_P = stream.word_T[starts_P] >= 0
    length_P = ends_P - starts_P
    all_lengths = {
        "words": length_P[spoken_P],
        "silences": length_P[~spoken_P],
        "words with silence": np.subtract(*reversed(_borders(merged.patch(stream, "aligned")))),
        f"static {config.size}": np.subtract(*reversed(_borders(separate.patch(stream, "static")))),
    }
    return [Lengths(name=name, counts_L=np.bincount(found)) for name, found in all_lengths.items() if len(found)]
