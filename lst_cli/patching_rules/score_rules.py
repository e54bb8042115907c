"""``lst patching score``: borders of every way to cut, against those of an alignment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lst_cli.alignment.read_alignment import Aligned
from lst_cli.patching.random_lengths import RandomLengths
from lst_cli.patching.static import Static
from lst_cli.patching.stream import Rule
from lst_cli.patching_rules.aligned_stream import utterance_stream
from lst_cli.patching_rules.borders import BorderScore, score_borders


def score_rules(
    utterances: Sequence[Aligned], fitted: Mapping[str, Rule], size: int, tolerance: int
) -> dict[str, BorderScore]:
    """Scores by name: static and random patches of a size, and the fitted rules.

    :param tolerance: tolerance of a border, in tokens.
    """
    rules: dict[str, Rule] = {f"static {size}": Static(size), f"random {size}": RandomLengths(size), **fitted}
    stream = utterance_stream(utterances)
    return {name: score_borders(stream, rule.patch(stream), tolerance) for name, rule in rules.items()}
