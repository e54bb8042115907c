"""A table of the paper filled with our scores. Imports nothing heavy until items are compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import SCORES
from lst_cli.reports.paper.match_rows import (
    ScoredModel,
    about_noise,
    check_items,
    check_ranks,
    check_shared,
    models_of,
    unknown_noise,
)
from lst_cli.reports.paper.seed_statistics import SeedRun, SeedSpread, of_runs, spread
from lst_cli.reports.paper.table_spec import TableColumn, TableLine, TableSpec
from lst_cli.reports.training_budget import read_budget, read_metrics


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One line of the table, filled."""

    line: TableLine
    cells: tuple[tuple[SeedRun, ...], ...]
    """Runs of each column, by seed; empty where there are none."""
    models: tuple[ScoredModel, ...]

    def spread(self, column: int) -> SeedSpread | None:
        """The runs of a column together."""
        return of_runs(self.cells[column]) if self.cells[column] else None


@dataclass(frozen=True, kw_only=True)
class FilledTable:
    """A table, ours beside the paper's."""

    spec: TableSpec
    rows: tuple[TableRow, ...]
    remarks: tuple[str, ...]

    def row(self, label: str) -> TableRow:
        """The row of this label."""
        return next(row for row in self.rows if row.line.label == label)


def fill(spec: TableSpec, scored: Sequence[ScoredModel]) -> FilledTable:
    """Find the runs of each cell.

    :raises UserError: two models claim one cell, or models of the table differ in what it does not compare.
    """
    check_ranks(spec, scored)
    chosen = [(line, models_of(spec, line, scored)) for line in spec.lines]
    models = [each for _, group in chosen for each in group]
    if not models:
        raise UserError(
            f"{spec.name}: none of the scores is of one of its rows",
            found=", ".join(sorted({each.model.reference for each in scored})) or "no scores",
            expected=", ".join(line.row for line in spec.lines),
            fix=f"'make {spec.name}' trains and scores them",
        )
    check_shared(spec, models)
    check_items(spec, models)
    spec = _without_unscored_parts(spec, models)
    chosen = [(line, group) for line, (_, group) in zip(spec.lines, chosen, strict=True)]
    baseline = {line.label: group for line, group in chosen}
    rows = tuple(
        TableRow(
            line=line,
            cells=tuple(
                _cell(column, line, group, baseline.get(spec.against.get(line.label, ""), ()))
                for column in spec.columns
            ),
            models=tuple(group),
        )
        for line, group in chosen
    )
    return FilledTable(spec=spec, rows=rows, remarks=tuple(_remarks(spec, rows, scored, models)))


def _without_unscored_parts(spec: TableSpec, models: Sequence[ScoredModel]) -> TableSpec:
    """The table without the columns of a part that nobody was scored on."""
    results = [result for each in models for _, result in each.results]
    kept = [
        number
        for number, column in enumerate(spec.columns)
        if not column.part or any(column.is_about(result) for result in results)
    ]
    lines = [
        dataclasses.replace(line, paper=[line.paper[number] for number in kept] if line.paper else ())
        for line in spec.lines
    ]
    return dataclasses.replace(spec, columns=[spec.columns[number] for number in kept], lines=lines)


def _cell(
    column: TableColumn, line: TableLine, group: Sequence[ScoredModel], baseline: Sequence[ScoredModel]
) -> tuple[SeedRun, ...]:
    if column.measure == "saved":
        return _saved(group, baseline)
    runs = [run for each in group for run in _runs(column, each)]
    return tuple(sorted(runs, key=lambda run: run.seed))


def _runs(column: TableColumn, scored: ScoredModel) -> list[SeedRun]:
    """What a model's scores say about a column."""
    found = []
    for artifact, result in scored.results:
        if not column.is_about(result):
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


def _run(scored: ScoredModel, scores: Artifact, value: float, interval: Any, n: int, chance: float | None) -> SeedRun:
    return SeedRun(
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


def _saved(group: Sequence[ScoredModel], baseline: Sequence[ScoredModel]) -> tuple[SeedRun, ...]:
    """Share of the baseline's operations that a model did without, seed by seed."""
    spent = {each.facts.seed: operations(each.model) for each in baseline}
    runs = []
    for each in group:
        own, others = operations(each.model), spent.get(each.facts.seed)
        if own is not None and others:
            saved = 1 - own / others
            runs.append(
                SeedRun(seed=each.facts.seed, value=saved, low=saved, high=saved, n=1, scores=each.model.reference)
            )
    return tuple(runs)


def gains(table: FilledTable, row: TableRow, column: int) -> SeedSpread | None:
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


def paired_gain(store: Store, table: FilledTable, row: TableRow, column: int) -> SeedSpread | None:
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
            return SeedSpread(mean=each.difference, std=None, low=each.low, high=each.high, runs=1)
    return None


def _remarks(
    spec: TableSpec, rows: Sequence[TableRow], scored: Sequence[ScoredModel], models: Sequence[ScoredModel]
) -> list[str]:
    said = [spec.about]
    missing = [row.line.label for row in rows if not row.models]
    if missing:
        said.append(f"Not run: {', '.join(missing)}.")
    # A row of Table 5 has a model for each task.
    if any(len({each.facts.seed for each in row.models}) > 1 for row in rows):
        said.append(
            "Where a row has several seeds: mean, and 95% interval of the mean over seeds (Student's t; all seeds "
            "answer the same items). A single run: 95% interval over items."
        )
    else:
        said.append("One run for each row: 95% intervals over items. Another seed gives other numbers.")
    if unknown := unknown_noise(scored if about_noise(spec) else models):
        said.append(
            f"Whether word boundaries were moved before training is not known of {', '.join(unknown)}: the shards or "
            f"the alignment behind them are gone from disk{', so they are no rows here' if about_noise(spec) else ''}."
        )
    used = {each.model.fingerprint for each in models}
    others = sorted(each.model.reference for each in scored if each.model.fingerprint not in used)
    if others:
        said.append(f"Scored, but no row of this table: {', '.join(others)}.")
    return said


def trained(models: Sequence[ScoredModel]) -> dict[str, float | None]:
    """What models of one row read and computed in training, on average over seeds; None where nobody recorded it.

    By ``parameters``, ``steps``, ``positions``, ``tokens``, ``speech_tokens``, ``operations``, and ``seconds`` of wall
    time.
    """
    budgets = [(read_budget(each.model), operations(each.model)) for each in models]
    figures = {
        name: [float(value) for budget, _ in budgets if (value := dataclasses.asdict(budget)[name]) is not None]
        for name in ("parameters", "steps", "positions", "tokens", "speech_tokens")
    }
    figures["operations"] = [flops for _, flops in budgets if flops is not None]
    timings = [each.model.statistics.get("timing", {}) for each in models]
    figures["seconds"] = [float(timing["seconds"]) for timing in timings if timing.get("seconds")]
    return {name: sum(values) / len(values) if values else None for name, values in figures.items()}
