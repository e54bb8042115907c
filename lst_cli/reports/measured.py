"""A table of the paper filled with our scores. Imports nothing heavy until items are compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.evaluation.compare import SAME
from lst_cli.evaluation.scores import SCORES, read_scores
from lst_cli.reports.budget import read_budget, read_metrics
from lst_cli.reports.facts import Facts, differences, read_facts
from lst_cli.reports.lineage import parent_of_kind
from lst_cli.reports.runs import Run, Spread, of_runs, spread
from lst_cli.reports.specs import Column, Line, Spec

_USUAL = ("size", "silence", "spans", "boundaries", "noise_ms", "budget")
"""Facts that have their default where a line says nothing of them."""

_SHARED = ("text_per_speech", "shape", "steps")
"""Facts that all models of a table share unless its lines vary them."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A model with all its scores."""

    model: Artifact
    facts: Facts
    results: tuple[tuple[Artifact, dict[str, Any]], ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table, filled."""

    line: Line
    cells: tuple[tuple[Run, ...], ...]
    """Runs of each column, by seed; empty where there are none."""
    models: tuple[Scored, ...]

    def spread(self, column: int) -> Spread | None:
        """The runs of a column together."""
        return of_runs(self.cells[column]) if self.cells[column] else None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table, ours beside the paper's."""

    spec: Spec
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]

    def row(self, label: str) -> Row:
        """The row of this label."""
        return next(row for row in self.rows if row.line.label == label)


def read_scored(store: Store, scores: Sequence[Artifact]) -> list[Scored]:
    """The models behind some scores.

    :raises UserError: a result is damaged, or the model that it is of is gone.
    """
    found: dict[str, tuple[Artifact, list[tuple[Artifact, dict[str, Any]]]]] = {}
    for artifact in scores:
        model = parent_of_kind(store, artifact, "model")
        if model is None:
            raise UserError(
                f"{artifact.reference}: its model is gone, so nobody knows which row it belongs to",
                fix="score the model again, or leave these scores out by naming others with --scores",
            )
        found.setdefault(model.fingerprint, (model, []))[1].append((artifact, read_scores(artifact)))
    return [
        Scored(model=model, facts=read_facts(store, model), results=tuple(results)) for model, results in found.values()
    ]


def fill(spec: Spec, scored: Sequence[Scored]) -> Table:
    """Find the runs of each cell.

    :raises UserError: two models claim one cell, or models of the table differ in what it does not compare.
    """
    _check_ranks(spec, scored)
    chosen = [(line, _of_line(spec, line, scored)) for line in spec.lines]
    models = [each for _, group in chosen for each in group]
    if not models:
        raise UserError(
            f"{spec.name}: none of the scores is of one of its rows",
            found=", ".join(sorted({each.model.reference for each in scored})) or "no scores",
            expected=", ".join(line.row for line in spec.lines),
            fix=f"'make {spec.name}' trains and scores them",
        )
    _check_shared(spec, models)
    _check_items(spec, models)
    baseline = {line.label: group for line, group in chosen}
    rows = tuple(
        Row(
            line=line,
            cells=tuple(
                _cell(column, line, group, baseline.get(spec.against.get(line.label, ""), ()))
                for column in spec.columns
            ),
            models=tuple(group),
        )
        for line, group in chosen
    )
    return Table(spec=spec, rows=rows, remarks=tuple(_remarks(spec, rows, scored, models)))


def _of_line(spec: Spec, line: Line, scored: Sequence[Scored]) -> list[Scored]:
    """The models of a line, one for each seed."""
    wanted = {name: getattr(Facts(kind=""), name) for name in _USUAL} | dict(line.facts)
    tuned = spec.ranked == "tuned_steps"
    found = [
        each
        for each in scored
        if bool(each.facts.tuned) == tuned and all(getattr(each.facts, key) == value for key, value in wanted.items())
    ]
    if line.rank is not None:
        found = [each for each in found if _ranks(spec, scored, each.facts.tuned).index(_rank(spec, each)) == line.rank]
    by_seed: dict[tuple[int, str], Scored] = {}
    for each in found:
        other = by_seed.setdefault((each.facts.seed, each.facts.tuned), each)
        if other is not each:
            raise UserError(
                f"{spec.name}: two models could be the row {line.label!r} with seed {each.facts.seed}",
                found=f"{other.model.reference} and {each.model.reference}{_why(other.facts, each.facts)}",
                fix="name the scores of one of them with --scores",
            )
    return sorted(by_seed.values(), key=lambda each: each.facts.seed)


def _ranks(spec: Spec, scored: Sequence[Scored], task: str) -> list[int]:
    """All sizes, or all numbers of steps of a task, of the kinds of model that the table has, from the smallest."""
    kinds = {line.facts["kind"] for line in spec.lines}
    return sorted({_rank(spec, each) for each in scored if each.facts.tuned == task and each.facts.kind in kinds})


def _check_ranks(spec: Spec, scored: Sequence[Scored]) -> None:
    """Refuse to call the only size the smaller one, or half of the steps a quarter of them."""
    wanted = len({line.rank for line in spec.lines})
    tuned = spec.ranked == "tuned_steps"
    for task in sorted({each.facts.tuned for each in scored if bool(each.facts.tuned) == tuned}):
        found = _ranks(spec, scored, task)
        if spec.ranked and found and len(found) != wanted:
            raise UserError(
                f"{spec.name}: its rows are told apart by {'size' if spec.ranked == 'shape' else 'steps'}",
                found=f"{len(found)} of them{f' for {task}' if task else ''}: {', '.join(map(str, found))}",
                expected=f"{wanted}",
                fix=f"'make {spec.name}' trains and scores them all; name the scores that belong to it with --scores",
            )


def _rank(spec: Spec, scored: Scored) -> int:
    facts = scored.facts
    return {"shape": facts.order, "steps": facts.steps, "tuned_steps": facts.tuned_steps}[spec.ranked or "shape"]


def _why(a: Facts, b: Facts) -> str:
    """What tells two models apart that a line does not."""
    plain = [name for name in _SHARED if getattr(a, name) != getattr(b, name)]
    told = [*plain, *differences(a, b)]
    return f", which differ in {', '.join(told)}" if told else ""


def _check_shared(spec: Spec, models: Sequence[Scored]) -> None:
    """Refuse to compare runs that differ in more than the table is about."""
    # Sizes have their own batches and steps, tasks their own fine-tuning: each is compared with its like.
    likes: dict[tuple[int, str], list[Scored]] = {}
    for each in models:
        likes.setdefault((each.facts.order if spec.ranked == "shape" else 0, each.facts.tuned), []).append(each)
    for group in likes.values():
        _check_alike(spec, group)


def _check_items(spec: Spec, models: Sequence[Scored]) -> None:
    """Refuse to set scores of different items beside each other."""
    asked: dict[str, tuple[str, dict[str, Any]]] = {}
    tasks = {column.task for column in spec.columns}
    for artifact, result in (pair for each in models for pair in each.results if pair[1].get("task") in tasks):
        own = {key: result.get(key) for key in (*SAME, "judge")}
        other, theirs = asked.setdefault(str(result.get("task")), (artifact.reference, own))
        unequal = [key for key in own if own[key] != theirs[key]]
        if unequal:
            raise UserError(
                f"{spec.name}: {other} and {artifact.reference} can't be compared",
                found="; ".join(f"{key} {theirs[key]} and {own[key]}" for key in unequal),
                fix="score all models on the same items with this lst, and name those scores with --scores",
            )


def _check_alike(spec: Spec, models: Sequence[Scored]) -> None:
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
                fix="name the scores of runs that belong together with --scores",
            )


def _cell(column: Column, line: Line, group: Sequence[Scored], baseline: Sequence[Scored]) -> tuple[Run, ...]:
    if column.measure == "saved":
        return _saved(group, baseline)
    runs = [run for each in group for run in _runs(column, each)]
    return tuple(sorted(runs, key=lambda run: run.seed))


def _runs(column: Column, scored: Scored) -> list[Run]:
    """What a model's scores say about a column."""
    found = []
    for artifact, result in scored.results:
        if result.get("task") != column.task:
            continue
        if column.measure == "accuracy":
            entries = [entry for entry in result.get("results", []) if entry["direction"] == column.direction]
            found += [
                _run(scored, artifact, entry["accuracy"], entry, entry["n"], entry["chance"]) for entry in entries
            ]
        elif column.measure == "wer" and "wer" in result:
            found.append(_run(scored, artifact, result["wer"], result, result["n_words"], None))
        elif column.measure == "cer" and "character_errors" in result:
            rate = result["character_errors"]
            found.append(_run(scored, artifact, rate["value"], rate, result["n_characters"], None))
        elif column.measure in ("context", "generation"):
            units = result[f"{column.measure}_positions"] / max(result["speech_tokens"], 1)
            found.append(_run(scored, artifact, units, {"low": units, "high": units}, 1, None))
    if len(found) > 1:
        raise UserError(
            f"{column.label}: {scored.model.reference} was scored twice",
            found=", ".join(run.scores for run in found),
            fix="name the scores to take with --scores",
        )
    return found


def _run(scored: Scored, scores: Artifact, value: float, interval: Any, n: int, chance: float | None) -> Run:
    return Run(
        seed=scored.facts.seed,
        value=value,
        low=interval["low"],
        high=interval["high"],
        n=n,
        scores=scores.reference,
        chance=chance,
    )


def operations(model: Artifact) -> float | None:
    """Operations of the whole training; None where the curve does not say."""
    lines = [line for line in read_metrics(model) if line.get("split", "train") == "train" and "flops" in line]
    return float(lines[-1]["flops"]) if lines else None


def _saved(group: Sequence[Scored], baseline: Sequence[Scored]) -> tuple[Run, ...]:
    """Share of the baseline's operations that a model did without, seed by seed."""
    spent = {each.facts.seed: operations(each.model) for each in baseline}
    runs = []
    for each in group:
        own, others = operations(each.model), spent.get(each.facts.seed)
        if own is not None and others:
            saved = 1 - own / others
            runs.append(Run(seed=each.facts.seed, value=saved, low=saved, high=saved, n=1, scores=each.model.reference))
    return tuple(runs)


def gains(table: Table, row: Row, column: int) -> Spread | None:
    """A row less the row that it is compared with: by seeds, or for a single one by paired items.

    None where there is nothing to compare.
    """
    other = table.spec.against.get(row.line.label)
    if other is None or not table.spec.columns[column].compared:
        return None
    ours = {run.seed: run for run in row.cells[column]}
    theirs = {run.seed: run for run in table.row(other).cells[column]}
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        return None
    if len(shared) > 1:
        return spread([ours[seed].value - theirs[seed].value for seed in shared])
    return None


def paired_gain(store: Store, table: Table, row: Row, column: int) -> Spread | None:
    """As :func:`gains`, and for a single shared seed with the interval over paired items."""
    over_seeds = gains(table, row, column)
    other = table.spec.against.get(row.line.label)
    if over_seeds is not None or other is None or not table.spec.columns[column].compared:
        return over_seeds
    ours, theirs = row.cells[column], table.row(other).cells[column]
    pairs = [(a, b) for a in theirs for b in ours if a.seed == b.seed]
    if not pairs:
        return None
    from lst_cli.evaluation.compare import compare

    ((first, second),) = pairs
    direction = table.spec.columns[column].direction or table.spec.columns[column].task
    for each in compare(store.find(first.scores, SCORES), store.find(second.scores, SCORES)):
        if each.direction == direction:
            return Spread(mean=each.difference, std=None, low=each.low, high=each.high, runs=1)
    return None


def _remarks(spec: Spec, rows: Sequence[Row], scored: Sequence[Scored], models: Sequence[Scored]) -> list[str]:
    said = [spec.about]
    missing = [row.line.label for row in rows if not row.models]
    if missing:
        said.append(f"Not run: {', '.join(missing)}.")
    seeds = sorted({len(row.models) for row in rows if row.models})
    if seeds and seeds[-1] > 1:
        said.append(
            "Where a row has several seeds: mean, and 95% interval of the mean over seeds (Student's t; all seeds "
            "answer the same items). A single run: 95% interval over items."
        )
    else:
        said.append("One run for each row: 95% intervals over items. Another seed gives other numbers.")
    used = {each.model.fingerprint for each in models}
    others = sorted(each.model.reference for each in scored if each.model.fingerprint not in used)
    if others:
        said.append(f"Scored, but no row of this table: {', '.join(others)}.")
    return said


def trained(row: Row) -> dict[str, float | None]:
    """What the models of a row read and computed in training, on average over seeds."""
    budgets = [(read_budget(each.model), operations(each.model)) for each in row.models]
    figures = {
        name: [float(value) for budget, _ in budgets if (value := dataclasses.asdict(budget)[name]) is not None]
        for name in ("parameters", "steps", "positions", "tokens", "speech_tokens")
    }
    figures["operations"] = [flops for _, flops in budgets if flops is not None]
    return {name: sum(values) / len(values) if values else None for name, values in figures.items()}
