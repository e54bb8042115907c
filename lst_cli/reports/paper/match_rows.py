"""Which scored models belong to which row of a table, by their facts; and whether they can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.ancestors import parent_of_kind
from lst_cli.console import say
from lst_cli.errors import UserError
from lst_cli.evaluation.compare import SAME
from lst_cli.evaluation.scores import EVALUATOR, differently_spoken, read_scores
from lst_cli.reports.paper.model_facts import Facts, differences, read_facts
from lst_cli.reports.paper.table_spec import TableLine, TableSpec, noise_of, part_of

_USUAL = ("size", "silence", "spans", "boundaries", "budget")
"""Facts that must have their default value unless a line states another."""

_SHARED = ("text_per_speech", "shape", "steps")
"""Facts that all models of a table must share unless its lines vary them."""


@dataclass(frozen=True, kw_only=True)
class ScoredModel:
    """A model with all its scores."""

    model: Artifact
    facts: Facts
    results: tuple[tuple[Artifact, dict[str, Any]], ...]


def read_scored(store: Store, scores: Sequence[Artifact]) -> list[ScoredModel]:
    """The models behind some scores. Ablated scores, and those with the end of documents, are skipped.

    :raises UserError: a result is damaged, or its model was removed.
    """
    found: dict[str, tuple[Artifact, list[tuple[Artifact, dict[str, Any]]]]] = {}
    for artifact in scores:
        result = read_scores(artifact)
        variants = [f"ablated ({result['ablation']})"] if "ablation" in result else []
        variants += ["scored --with-end"] if "with_end" in result else []
        if variants:
            say(f"skipped {artifact.reference}: {' and '.join(variants)}, so no row of a paper table")
            continue
        model = parent_of_kind(store, artifact, "model")
        if model is None:
            raise UserError(
                f"{artifact.reference}: its model was removed, so its row is unknown",
                fix="score the model again, or name other scores with --scores",
            )
        found.setdefault(model.fingerprint, (model, []))[1].append((artifact, result))
    return [
        ScoredModel(model=model, facts=read_facts(store, model), results=tuple(results))
        for model, results in found.values()
    ]


def models_of(spec: TableSpec, line: TableLine, scored: Sequence[ScoredModel]) -> list[ScoredModel]:
    """The models of a line, one for each seed (and task of the fine-tuning), by seed.

    :raises UserError: two models claim the same place.
    """
    wanted = {name: getattr(Facts(kind=""), name) for name in _USUAL} | dict(line.facts)
    tuned = spec.ranked == "tuned_steps"
    found = [
        each
        for each in scored
        if bool(each.facts.tuned) == tuned
        and all(getattr(each.facts, key) == wanted[key] for key in wanted)
        and any(noise_of(result) == line.noise_ms for _, result in each.results)
    ]
    if line.rank is not None:
        found = [each for each in found if _ranks(spec, scored, each.facts.tuned).index(_rank(spec, each)) == line.rank]
    by_seed: dict[tuple[int, str], ScoredModel] = {}
    for each in found:
        other = by_seed.setdefault((each.facts.seed, each.facts.tuned), each)
        if other is not each:
            raise UserError(
                f"{spec.name}: two models could be the row {line.label!r} with seed {each.facts.seed}",
                found=f"{other.model.reference} and {each.model.reference}{_why(other.facts, each.facts)}",
                fix="name the scores of one of them with --scores",
            )
    return sorted(by_seed.values(), key=lambda each: each.facts.seed)


def _ranks(spec: TableSpec, scored: Sequence[ScoredModel], task: str) -> list[int]:
    """All sizes, or all numbers of steps of a task, of the kinds of model that the table has, from the smallest."""
    kinds = {line.facts["kind"] for line in spec.lines}
    return sorted({_rank(spec, each) for each in scored if each.facts.tuned == task and each.facts.kind in kinds})


def check_ranks(spec: TableSpec, scored: Sequence[ScoredModel]) -> None:
    """Check that all sizes (or numbers of steps) of the table were scored: a rank among fewer would be misleading.

    :raises UserError: some were not.
    """
    wanted = len({line.rank for line in spec.lines})
    tuned = spec.ranked == "tuned_steps"
    for task in sorted({each.facts.tuned for each in scored if bool(each.facts.tuned) == tuned}):
        found = _ranks(spec, scored, task)
        if spec.ranked and found and len(found) != wanted:
            raise UserError(
                f"{spec.name}: its rows differ in {'size' if spec.ranked == 'shape' else 'steps'}",
                found=f"{len(found)} values{f' for {task}' if task else ''}: {', '.join(map(str, found))}",
                expected=f"{wanted}",
                fix=f"'make {spec.name}' trains and scores them all; name the scores that belong to it with --scores",
            )


def _rank(spec: TableSpec, scored: ScoredModel) -> int:
    facts = scored.facts
    return {"shape": facts.order, "steps": facts.steps, "tuned_steps": facts.tuned_steps}[spec.ranked or "shape"]


def _why(a: Facts, b: Facts) -> str:
    """The differences of two models in facts that a line does not determine."""
    plain = [name for name in _SHARED if getattr(a, name) != getattr(b, name)]
    differing = [*plain, *differences(a, b)]
    return f", which differ in {', '.join(differing)}" if differing else ""


def check_shared(spec: TableSpec, models: Sequence[ScoredModel]) -> None:
    """Check that the runs differ only in the facts that the table compares.

    :raises UserError: two runs differ in something else.
    """
    # Sizes have their own batches and steps, tasks their own fine-tuning: models are compared within each.
    likes: dict[tuple[int, str], list[ScoredModel]] = {}
    for each in models:
        likes.setdefault((each.facts.order if spec.ranked == "shape" else 0, each.facts.tuned), []).append(each)
    for group in likes.values():
        _check_alike(spec, group)


def check_items(spec: TableSpec, models: Sequence[ScoredModel]) -> None:
    """Check that all scores are of the same items, recordings and ASR evaluator.

    :raises UserError: two scores are not.
    """
    asked: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    spoken: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    tasks = {column.task for column in spec.columns}
    for artifact, result in (pair for each in models for pair in each.results if pair[1].get("task") in tasks):
        about = (str(result.get("task")), part_of(result))
        own = {key: result.get(key) for key in (*SAME, EVALUATOR)}
        other, theirs = asked.setdefault(about, (artifact.reference, own))
        unequal = [key for key in own if own[key] != theirs[key]]
        if unequal:
            raise UserError(
                f"{spec.name}: {other} and {artifact.reference} can't be compared",
                found="; ".join(f"{key} {theirs[key]} and {own[key]}" for key in unequal),
                fix="score all models on the same items with this lst, and name those scores with --scores",
            )
        if not result.get("spoken"):
            continue
        other, first = spoken.setdefault(about, (artifact.reference, result))
        if differently_spoken(first, result):
            raise UserError(
                f"{spec.name}: {other} and {artifact.reference} can't be compared",
                found=f"items as spoken in {first['spoken']['reference']} and in {result['spoken']['reference']}",
                fix="score all models on tokens of the same recordings, and name those scores with --scores",
            )


def _check_alike(spec: TableSpec, models: Sequence[ScoredModel]) -> None:
    first = models[0]
    varied = {key for line in spec.lines for key in line.facts} | ({spec.ranked} if spec.ranked else set())
    for other in models[1:]:
        unequal = [
            name for name in _SHARED if name not in varied and getattr(first.facts, name) != getattr(other.facts, name)
        ]
        unequal += differences(first.facts, other.facts)
        if unequal:
            raise UserError(
                f"{spec.name}: {first.model.reference} and {other.model.reference} can't be compared",
                found=f"they differ in {', '.join(unequal)}",
                fix="name scores of comparable runs with --scores",
            )
