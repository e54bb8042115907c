"""Fill a table of the paper with our scores. Imports nothing heavy until items are compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lst_cli.artifacts import Artifact
from lst_cli.errors import UserError
from lst_cli.reports.paper.match_rows import (
    ScoredModel,
    check_items,
    check_ranks,
    check_shared,
    models_of,
)
from lst_cli.reports.paper.seed_statistics import SeedRun, SeedSpread, of_runs
from lst_cli.reports.paper.table_spec import TableColumn, TableLine, TableSpec, noise_of
from lst_cli.reports.paper.training_cost import training_flops

Results = Sequence[tuple[Artifact, dict[str, Any]]]
"""Scores artifacts with their results."""


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One line of the table with its runs."""

    line: TableLine
    cells: tuple[tuple[SeedRun, ...], ...]
    """Runs of each column, by seed; empty if there are none."""
    models: tuple[ScoredModel, ...]

    def spread(self, column: int) -> SeedSpread | None:
        """Mean and interval of the runs of a column."""
        return of_runs(self.cells[column]) if self.cells[column] else None


@dataclass(frozen=True, kw_only=True)
class FilledTable:
    """A table with our runs."""

    spec: TableSpec
    rows: tuple[TableRow, ...]
    remarks: tuple[str, ...]

    def row(self, label: str) -> TableRow:
        """The row of this label."""
        return next(row for row in self.rows if row.line.label == label)


def fill(spec: TableSpec, scored: Sequence[ScoredModel]) -> FilledTable:
    """Find the runs of each cell.

    :raises UserError: no score belongs to a cell, two models claim one row, or the models differ in what the table does
        not compare.
    """
    check_ranks(spec, scored)
    chosen = [(line, models_of(spec, line, scored)) for line in spec.lines]
    models = [each for _, group in chosen for each in group]
    if not models:
        raise _no_row(spec, scored)
    check_shared(spec, models)
    check_items(spec, models)
    spec = _without_unscored_parts(spec, models)
    chosen = [(line, group) for line, (_, group) in zip(spec.lines, chosen, strict=True)]
    by_label = {line.label: group for line, group in chosen}
    rows = tuple(
        TableRow(
            line=line,
            cells=tuple(
                _cell(column, line, group, by_label.get(spec.against.get(line.label, ""), ()))
                for column in spec.columns
            ),
            models=tuple(group),
        )
        for line, group in chosen
    )
    measured = [n for n, column in enumerate(spec.columns) if column.measure != "saved"]
    if not any(row.cells[n] for row in rows for n in measured):
        raise _no_column(spec, models)
    return FilledTable(spec=spec, rows=rows, remarks=tuple(_remarks(spec, rows, scored, models)))


def _no_row(spec: TableSpec, scored: Sequence[ScoredModel]) -> UserError:
    return UserError(
        f"{spec.name}: no score belongs to one of its rows",
        found=", ".join(sorted({each.model.reference for each in scored})) or "no scores",
        expected=f"models of the rows {', '.join(dict.fromkeys(line.row for line in spec.lines))}",
        fix=f"'make {spec.name}' trains and scores them",
    )


def _no_column(spec: TableSpec, models: Sequence[ScoredModel]) -> UserError:
    """The models are rows of the table, but none of their scores is of one of its columns."""
    results = sorted(f"{artifact.reference} ({_about(result)})" for each in models for artifact, result in each.results)
    wanted = dict.fromkeys(f"{column.task} {column.direction}".strip() for column in spec.columns if column.task)
    return UserError(
        f"{spec.name}: no score belongs to one of its columns",
        found=", ".join(results),
        expected=f"scores of {', '.join(wanted)}",
        fix=f"score the models with 'lst eval', or name other scores with --scores; 'make {spec.name}' does all of it",
    )


def _about(result: Mapping[str, Any]) -> str:
    directions = [str(entry["direction"]) for entry in result.get("results", [])]
    return " ".join([str(result.get("task", "no task")), *directions])


def _without_unscored_parts(spec: TableSpec, models: Sequence[ScoredModel]) -> TableSpec:
    """The table without the columns of a part that no model was scored on."""
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
    runs = [run for each in group for run in _runs(column, line, each)]
    return tuple(sorted(runs, key=lambda run: run.seed))


def _runs(column: TableColumn, line: TableLine, scored: ScoredModel) -> list[SeedRun]:
    """A model's numbers of a column."""
    found = []
    for artifact, result in _patched(line, _results(column, scored)):
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
            positions = result[f"{column.measure}_positions"] / max(result["speech_tokens"], 1)
            found.append(_run(scored, artifact, positions, {"low": positions, "high": positions}, 1, None))
    if len(found) > 1:
        raise UserError(
            f"{column.label}: {scored.model.reference} was scored twice",
            found=", ".join(run.scores for run in found),
            fix="name the scores to use with --scores",
        )
    return found


def _results(column: TableColumn, scored: ScoredModel) -> Results:
    return [pair for pair in scored.results if column.is_about(pair[1])]


def _patched(line: TableLine, results: Results) -> Results:
    """The results with the line's patching and boundaries. An aligned model that was scored only with static patches
    keeps those scores; the remarks say so.
    """
    results = [pair for pair in results if noise_of(pair[1]) == line.noise_ms]
    fitting = [pair for pair in results if _patching(pair[1]) == line.scored_with]
    return fitting or [pair for pair in results if _patching(pair[1]) == "static"]


def _patching(result: Mapping[str, Any]) -> str:
    return str(result.get("patching", "static"))


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


def _saved(group: Sequence[ScoredModel], baseline: Sequence[ScoredModel]) -> tuple[SeedRun, ...]:
    """Share of the baseline's training FLOPs that a model saved, seed by seed."""
    spent = {each.facts.seed: training_flops(each.model) for each in baseline}
    runs = []
    for each in group:
        own, others = training_flops(each.model), spent.get(each.facts.seed)
        if own is not None and others:
            saved = 1 - own / others
            runs.append(
                SeedRun(seed=each.facts.seed, value=saved, low=saved, high=saved, n=1, scores=each.model.reference)
            )
    return tuple(runs)


def _remarks(
    spec: TableSpec, rows: Sequence[TableRow], scored: Sequence[ScoredModel], models: Sequence[ScoredModel]
) -> list[str]:
    found = [spec.about]
    missing = [row.line.label for row in rows if not row.models]
    if missing:
        found.append(f"Not run: {', '.join(missing)}.")
    # A row of Table 5 has a model for each task.
    if any(len({each.facts.seed for each in row.models}) > 1 for row in rows):
        found.append(
            "Rows with several seeds: mean and 95% interval of the mean over seeds (Student's t; all seeds are scored "
            "on the same items). Rows with one run: 95% interval over items."
        )
    else:
        found.append("One run per row; 95% intervals over items. Another seed gives other numbers.")
    found += _static_instead(spec, rows)
    used = {each.model.fingerprint for each in models}
    others = sorted(each.model.reference for each in scored if each.model.fingerprint not in used)
    if others:
        found.append(f"Scored, but not a row of this table: {', '.join(others)}.")
    return found


def _static_instead(spec: TableSpec, rows: Sequence[TableRow]) -> list[str]:
    """Rows of aligned models that were scored with static patches."""
    static = [
        row.line.label
        for row in rows
        if row.line.scored_with == "as-trained"
        and any(
            _patching(result) == "static"
            for column in spec.columns
            for each in row.models
            for _, result in _patched(row.line, _results(column, each))
        )
    ]
    if not static:
        return []
    return [f"Scored with static patches, where the paper scores with aligned ones: {', '.join(static)}."]
