"""Two models on the same items: a paired test, and the items that flipped.

Models that answer the same items differ by less than their intervals suggest: what counts is how many items only
one of them gets right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from lst_cli.artifacts import Artifact
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import EVALUATOR, ITEMS_FILE, differently_spoken, read_scores

SAME = ("task", "task_version", "scorer_version", "items_sha256", "with_end", "normaliser", "corpus")
"""Keys that two results must share to be comparable (those that the task has)."""

_SAME_SPEECH = (EVALUATOR, "vocoder")
"""Further keys that two results on generated speech must share."""

BOOTSTRAP_DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """B against A in one direction of a task."""

    direction: str
    """Modality of prompt and endings, ``asr`` or ``tts``."""
    metric: str
    n: int
    """Items, or utterances."""
    a: float
    """Accuracy of A; for ``asr`` its word error rate, for ``tts`` its character error rate."""
    b: float
    difference: float
    """b - a, with its 95% interval ``low`` to ``high``."""
    low: float
    high: float
    p: float
    """Exact two-sided sign test (McNemar's for right and wrong): how likely flips at least this one-sided are if
    both models are equally good."""
    gained: list[str]
    """Ids of items that B does better than A, in the items' order."""
    lost: list[str]
    """Ids of items that B does worse than A."""


def compare(first: Artifact, second: Artifact) -> list[Comparison]:
    """Compare two ``scores`` of one task, in every direction that both have.

    :raises UserError: the two are of other items, of another version of the task, or share no direction.
    """
    result_a, result_b = read_scores(first), read_scores(second)
    differing = [key for key in (*SAME, *_SAME_SPEECH) if result_a.get(key) != result_b.get(key)]
    if differing:
        raise UserError(
            f"{first.reference} and {second.reference} can't be compared",
            found="; ".join(f"{key} {result_a.get(key)} and {result_b.get(key)}" for key in differing),
            expected="scores of the same task version on the same items",
            fix="score both models on the same items with this lst",
        )
    if result_a["task"] == "asr":
        return [paired_rates(_errors(first), _errors(second))]
    if result_a["task"] == "tts":
        return [paired_rates(_character_errors(first), _character_errors(second), direction="tts", metric="cer")]
    if "results" not in result_a:
        raise UserError(
            f"{first.reference} and {second.reference} can't be compared item by item",
            found=f"task {result_a['task']}",
            expected="multiple choice, asr or tts",
        )
    rows_a, rows_b = ({row["direction"]: row for row in result["results"]} for result in (result_a, result_b))
    shared = [direction for direction in rows_a if direction in rows_b]
    if not shared:
        raise UserError(
            f"{first.reference} and {second.reference} share no direction",
            found=f"{', '.join(rows_a)} and {', '.join(rows_b)}",
            fix="score both models in the same --directions",
        )
    spoken = [direction for direction in shared if "s" in direction]
    if spoken and differently_spoken(result_a, result_b):
        raise UserError(
            f"{first.reference} and {second.reference} can't be compared {spoken[0]}",
            found=f"items as spoken in {result_a['spoken']['reference']} and in {result_b['spoken']['reference']}",
            expected="scores on tokens of the same recordings",
            fix="tokenize one spoken corpus with each model's quantizer, and score on these tokens",
        )
    credits_a, credits_b = _credits(first), _credits(second)
    return [
        paired(direction, rows_a[direction]["metric"], credits_a[direction], credits_b[direction])
        for direction in shared
    ]


def _credits(scores: Artifact) -> dict[str, dict[str, float]]:
    """Direction → group of items → mean credit by the headline accuracy."""
    from lst_cli.artifacts.parquet import read_parquet

    table = read_parquet(scores.file(ITEMS_FILE), ["group", "direction", "credit"])
    credits: dict[str, dict[str, list[float]]] = {}
    for row in table.to_pylist():
        credits.setdefault(row["direction"], {}).setdefault(row["group"], []).append(row["credit"])
    return {
        direction: {group: sum(each) / len(each) for group, each in groups.items()}
        for direction, groups in credits.items()
    }


def _errors(scores: Artifact) -> dict[str, tuple[int, int]]:
    """Id → word errors and words of the reference."""
    from lst_cli.artifacts.parquet import read_parquet

    names = ["substitutions", "deletions", "insertions"]
    table = read_parquet(scores.file(ITEMS_FILE), ["id", "words", *names])
    return {row["id"]: (sum(row[name] for name in names), row["words"]) for row in table.to_pylist()}


def _character_errors(scores: Artifact) -> dict[str, tuple[int, int]]:
    """Id → character errors and characters of the reference."""
    from lst_cli.artifacts.parquet import read_parquet

    table = read_parquet(scores.file(ITEMS_FILE), ["id", "characters", "character_errors"])
    return {row["id"]: (row["character_errors"], row["characters"]) for row in table.to_pylist()}


def paired(direction: str, metric: str, a: Mapping[str, float], b: Mapping[str, float]) -> Comparison:
    """Compare the credits of the same items, by id.

    The interval is that of the mean of paired differences, with half an item added to each outcome of a pair
    (Agresti and Min 2005): without them, few flips or none would give an interval that is much too narrow.
    """
    n = len(a)
    differences = [b[name] - a[name] for name in a]
    mean = math.fsum(differences) / n
    # Half an item each of: both right, both wrong, only A right, only B right.
    size = n + 2
    centre = math.fsum(differences) / size
    variance = (math.fsum(each * each for each in differences) + 1) / size - centre**2
    half = NormalDist().inv_cdf(0.975) * math.sqrt(variance / size)
    gained = [name for name in a if b[name] > a[name]]
    lost = [name for name in a if b[name] < a[name]]
    return Comparison(
        direction=direction,
        metric=metric,
        n=n,
        a=sum(a.values()) / n,
        b=sum(b[name] for name in a) / n,
        difference=mean,
        low=min(mean, max(-1.0, centre - half)),
        high=max(mean, min(1.0, centre + half)),
        p=sign_test(len(gained), len(lost)),
        gained=gained,
        lost=lost,
    )


def paired_rates(
    a: Mapping[str, tuple[int, int]],
    b: Mapping[str, tuple[int, int]],
    *,
    direction: str = "asr",
    metric: str = "wer",
) -> Comparison:
    """Compare errors on the same utterances, by id. The interval is a bootstrap over utterances.

    :param a: errors and length of the reference, in words or characters, of each utterance.
    :raises UserError: the utterances are not the same.
    """
    import numpy as np

    from lst_cli.hashing import integers

    if a.keys() != b.keys():
        odd = sorted(a.keys() ^ b.keys())
        raise UserError(
            "the scores are of different utterances",
            found=f"{len(odd)} utterances in one result only, the first {odd[0]}",
            fix="score both models on tokens of the same utterances",
        )
    errors_2U = np.array([[scores[name][0] for name in a] for scores in (a, b)], dtype=np.int64)
    length_U = np.array([length for _, length in a.values()], dtype=np.int64)
    rates_2 = errors_2U.sum(1) / length_U.sum()
    n = len(a)
    drawn = []
    for draw in range(BOOTSTRAP_DRAWS):
        chosen = integers(0, n - 1, 0, draw, np.arange(n))
        drawn.append((errors_2U[1, chosen] - errors_2U[0, chosen]).sum() / length_U[chosen].sum())
    low, high = np.quantile(drawn, [0.025, 0.975])
    gained = [name for name in a if b[name][0] < a[name][0]]
    lost = [name for name in a if b[name][0] > a[name][0]]
    return Comparison(
        direction=direction,
        metric=metric,
        n=n,
        a=float(rates_2[0]),
        b=float(rates_2[1]),
        difference=float(rates_2[1] - rates_2[0]),
        low=float(low),
        high=float(high),
        p=sign_test(len(gained), len(lost)),
        gained=gained,
        lost=lost,
    )


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p-value of a split of fair coin tosses at least this uneven; 1 without tosses."""
    n = wins + losses
    tail = sum(math.comb(n, k) for k in range(min(wins, losses) + 1))
    return float(min(1.0, 2 * tail / 2**n))


def comparison_rows(comparisons: Sequence[Comparison]) -> list[tuple[Any, ...]]:
    """The comparisons as lines of a table."""
    return [
        (
            row.direction,
            f"{row.a:.1%}",
            f"{row.b:.1%}",
            f"{100 * row.difference:+.1f} ({100 * row.low:+.1f} to {100 * row.high:+.1f})",
            f"{row.p:.2g}",
            f"+{len(row.gained)} -{len(row.lost)}",
            row.n,
        )
        for row in comparisons
    ]
