"""Items of a spoken benchmark with recordings and scores: some that the models got right, some that they got wrong.

The items shown are chosen within each group by a hash of their ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.ancestors import parent_of_kind
from lst_cli.evaluation.scores import ITEMS_FILE
from lst_cli.reports.page.model_labels import ModelFacts
from lst_cli.reports.page.result_rows import Rows, ScoreRow

if TYPE_CHECKING:
    from lst_cli.audio.corpus_artifact import Corpus

DIRECTION = "s-s"

_SEED = 0


@dataclass(frozen=True, kw_only=True)
class StoryEnding:
    """One ending of an item."""

    text: str
    right: bool
    audio: str
    """``data:`` address; empty if the corpus has no such utterance."""
    scores: list[float]
    """Mean log-probability of a token, in nats, by each model."""
    chosen: list[bool]
    """Whether each model prefers it."""


@dataclass(frozen=True, kw_only=True)
class StoryExample:
    """One item."""

    id: str
    group: str
    """Which models got it right."""
    prompt: str
    prompt_audio: str
    endings: list[StoryEnding]


@dataclass(frozen=True, kw_only=True)
class StoryExamples:
    """Examples of one task."""

    task: str
    models: list[ModelFacts]
    groups: list[tuple[str, int]]
    """How many items each group has."""
    n: int
    shown: list[StoryExample]


def read_examples(store: Store, rows: Rows, scores: Mapping[str, Artifact], total: int) -> StoryExamples | None:
    """Examples of a task that was scored speech to speech and whose recordings are on disk.

    :param scores: the ``scores`` artifacts by reference.
    :raises UserError: a file is damaged.
    """
    if total < 1:
        return None
    spoken = [
        row
        for row in rows.scores
        if row.direction == DIRECTION and any(record.path == ITEMS_FILE for record in scores[row.scores].files)
    ]
    # Tasks with the fewest endings first.
    for first in sorted(spoken, key=lambda row: -row.chance):
        corpus = _corpus(store, scores[first.scores])
        if corpus is not None:
            same = [row for row in spoken if row.identity == first.identity]
            same.sort(key=lambda row: not row.model.is_baseline)
            return _examples(same, scores, corpus, total)
    return None


def _corpus(store: Store, scores: Artifact) -> Corpus | None:
    from lst_cli.audio.corpus_artifact import Corpus

    tokens = parent_of_kind(store, scores, "tokens")
    corpus = parent_of_kind(store, tokens, "corpus") if tokens is not None else None
    return Corpus(corpus) if corpus is not None else None


def _examples(rows: Sequence[ScoreRow], scores: Mapping[str, Artifact], corpus: Corpus, total: int) -> StoryExamples:
    answers = [_items(scores[row.scores]) for row in rows]
    members: dict[str, list[str]] = {}
    for name in answers[0]:
        right = [items[name]["credit"] == 1.0 for items in answers]
        members.setdefault(group_name([row.model for row in rows], right), []).append(name)
    order = sorted(members, key=lambda group: -len(members[group]))
    shown = [
        _example(name, group, [items[name] for items in answers], corpus)
        for group, count in zip(order, _deal(total, [len(members[group]) for group in order]), strict=True)
        for name in _draw(members[group], count)
    ]
    return StoryExamples(
        task=rows[0].task,
        models=[row.model for row in rows],
        groups=[(group, len(members[group])) for group in order],
        n=len(answers[0]),
        shown=shown,
    )


def _items(scores: Artifact) -> dict[str, dict[str, Any]]:
    from lst_cli.artifacts.parquet import read_parquet

    table = read_parquet(scores.file(ITEMS_FILE))
    return {row["id"]: row for row in table.to_pylist() if row["direction"] == DIRECTION}


def group_name(models: Sequence[ModelFacts], right: Sequence[bool]) -> str:
    """Which models got an item right; with more than three models only baselines are distinguished from the others.

    :param right: for each model.
    """
    if all(right) or not any(right):
        if len(models) == 1:
            return "right" if right[0] else "wrong"
        return "right by all" if right[0] else "wrong by all"
    if len(models) > 3:
        baselines = {ok for model, ok in zip(models, right, strict=True) if model.is_baseline}
        others = {ok for model, ok in zip(models, right, strict=True) if not model.is_baseline}
        if baselines == {True} and others == {False}:
            return "right by the baseline only"
        return "wrong by the baseline only" if baselines == {False} and others == {True} else "right by some"
    return "right by " + " and ".join(model.label for model, ok in zip(models, right, strict=True) if ok) + " only"


def _deal(total: int, available: Sequence[int]) -> list[int]:
    """Choose examples from the groups, round-robin, until they are used up."""
    given = [0] * len(available)
    while sum(given) < min(total, sum(available)):
        for number, have in enumerate(available):
            if given[number] < have and sum(given) < total:
                given[number] += 1
    return given


def _draw(names: Sequence[str], count: int) -> list[str]:
    from lst_cli.hashing import mix, text_id

    return sorted(names, key=lambda name: int(mix(_SEED, text_id(name))))[:count]


def _example(name: str, group: str, answers: Sequence[Mapping[str, Any]], corpus: Corpus) -> StoryExample:
    item = answers[0]
    means = [
        [total / tokens for total, tokens in zip(answer["log_probs"], answer["tokens"], strict=True)]
        for answer in answers
    ]
    # Scores from before there was a column for them have the usual names.
    usual = [f"{name}/prompt", *(f"{name}/ending{number}" for number in range(1, len(item["endings"]) + 1))]
    spoken = item.get("utterances") or usual
    return StoryExample(
        id=name,
        group=group,
        prompt=item["prompt"],
        prompt_audio=_audio(corpus, spoken[0]) if len(spoken) > len(item["endings"]) else "",
        endings=[
            StoryEnding(
                text=text,
                right=number == item["label"],
                audio=_audio(corpus, spoken[number - len(item["endings"])]),
                scores=[mean[number] for mean in means],
                chosen=[mean[number] == max(mean) for mean in means],
            )
            for number, text in enumerate(item["endings"])
        ],
    )


def _audio(corpus: Corpus, name: str) -> str:
    from lst_cli.audio.decode import read_utterance
    from lst_cli.reports.drawing.embedded_audio import data_uri

    return data_uri(read_utterance(corpus.find(name))) if name in corpus else ""
