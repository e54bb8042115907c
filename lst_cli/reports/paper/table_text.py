"""A table of the paper as Markdown and CSV: our numbers, the paper's, and the gain of each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lst_cli.reports.number_text import count, interval, markdown_table, percent, points
from lst_cli.reports.paper import published as paper
from lst_cli.reports.paper.fill_table import FilledTable, TableRow
from lst_cli.reports.paper.match_rows import ScoredModel
from lst_cli.reports.paper.seed_statistics import SeedSpread
from lst_cli.reports.paper.table_spec import TableColumn
from lst_cli.reports.paper.training_cost import trained

CSV_COLUMNS = (
    *("row", "label", "column", "runs", "mean", "std", "low", "high", "n", "chance"),
    *("gain", "gain_low", "gain_high", "paper", "paper_std", "scores"),
)


def markdown(table: FilledTable, gains: dict[tuple[str, int], SeedSpread], scale: str) -> str:
    """The whole page of a table.

    :param gains: of a row (by label) and column over the row it is compared with.
    :param scale: the size of our models, in a few words.
    """
    spec = table.spec
    parts = [f"# {spec.title}", "\n".join(f"- {remark}" for remark in table.remarks)]
    parts += [f"## Ours ({scale})" if scale else "## Ours", _ours(table)]
    if any(value is not None for row in table.rows for value in row.line.paper):
        parts += ["## The paper's", f"{paper.SOURCE}: models of the paper's sizes on the paper's data.", _papers(table)]
    if gains:
        parts += ["## Differences in points, ours and the paper's", _gains(table, gains)]
    if any(row.models for row in table.rows):
        parts += ["## Training of the runs", _budgets(table)]
    return "\n\n".join(parts) + "\n"


def _ours(table: FilledTable) -> str:
    columns = range(len(table.spec.columns))
    body = [[row.line.label, *(_cell(row.spread(n), table.spec.columns[n]) for n in columns)] for row in table.rows]
    chances = [{run.chance for row in table.rows for run in row.cells[column]} - {None} for column in columns]
    if any(chances):
        body.append(["chance", *(", ".join(percent(c) for c in sorted(filter(None, chance))) for chance in chances)])
    if any(items := [_items(table, column) for column in columns]):
        body.append(["n" if any(" " in each for each in items) else "items", *items])
    return markdown_table(["", *(column.label for column in table.spec.columns)], body)


def _items(table: FilledTable, column: int) -> str:
    """The sample size of a column: items, or words and characters of the texts."""
    numbers = {run.n for row in table.rows for run in row.cells[column]}
    of = {"wer": " words", "cer": " characters"}.get(table.spec.columns[column].measure, "")
    return ", ".join(f"{n:,}{of}" for n in sorted(numbers)) if numbers - {1} else ""


def _cell(found: SeedSpread | None, column: TableColumn) -> str:
    if found is None:
        return ""
    if found.low == found.high:
        return column.text(found.mean)
    spread = f", std {100 * found.std:.1f}, {found.runs} runs" if found.std is not None else ""
    return f"{column.text(found.mean)} ({column.text(found.low)} to {column.text(found.high)}{spread})"


def _papers(table: FilledTable) -> str:
    rows = [row for row in table.rows if any(value is not None for value in row.line.paper)]
    body = [
        [row.line.label, *(_paper_cell(row, n, column) for n, column in enumerate(table.spec.columns))] for row in rows
    ]
    return markdown_table(["", *(column.label for column in table.spec.columns)], body)


def paper_value(row: TableRow, column: int) -> float | None:
    """The paper's number of a cell."""
    return row.line.paper[column] if column < len(row.line.paper) else None


def _paper_cell(row: TableRow, number: int, column: TableColumn) -> str:
    value = paper_value(row, number)
    if value is None:
        return ""
    std = row.line.paper_std[number] if number < len(row.line.paper_std) else None
    return column.text(value) + (f" (std {100 * std:.2f})" if std is not None else "")


def paper_gain(table: FilledTable, row: TableRow, column: int) -> float | None:
    """The paper's difference of a row to the row that it is compared with."""
    other = table.spec.against.get(row.line.label)
    if other is None:
        return None
    ours, theirs = paper_value(row, column), paper_value(table.row(other), column)
    return ours - theirs if ours is not None and theirs is not None else None


def _gains(table: FilledTable, gains: dict[tuple[str, int], SeedSpread]) -> str:
    columns = [n for n in range(len(table.spec.columns)) if any(column == n for _, column in gains)]
    body = []
    for row in table.rows:
        if not any((row.line.label, column) in gains for column in columns):
            continue
        cells = []
        for column in columns:
            found, theirs = gains.get((row.line.label, column)), paper_gain(table, row, column)
            ours = f"{points(found.mean)} ({interval(found.low, found.high)})" if found is not None else ""
            cells.append(ours + (f"; paper {points(theirs)}" if theirs is not None else ""))
        body.append([f"{row.line.label} minus {table.spec.against[row.line.label]}", *cells])
    return markdown_table(["", *(table.spec.columns[column].label for column in columns)], body)


def _budgets(table: FilledTable) -> str:
    """Training of the models of each row; fine-tuned models by task, with the wall time of a step."""
    tasks = {each.facts.tuned: None for row in table.rows for each in row.models}
    body = []
    for task in sorted(tasks):
        for row in table.rows:
            if models := [each for each in row.models if each.facts.tuned == task]:
                label = f"{task.upper()}: {row.line.label}" if len(tasks) > 1 else row.line.label
                body.append([label, *_read_by(models, timed=bool(task))])
    figures = ["parameters", "steps", "positions", "tokens", "speech tokens", "FLOPs"]
    timed = ["seconds per step"] if any(tasks) else []
    return markdown_table(["", "runs", *figures, *timed, "models"], body)


def _read_by(models: Sequence[ScoredModel], *, timed: bool) -> list[str]:
    read = trained(models)
    figures = (read[name] for name in ("parameters", "steps", "positions", "tokens", "speech_tokens"))
    flops, seconds, steps = read["flops"], read["seconds"], read["steps"]
    step = f"{seconds / steps:.3g}" if seconds and steps else "not recorded"
    return [
        str(len(models)),
        *(count(round(figure) if figure is not None else None) for figure in figures),
        f"{flops:.3g}" if flops is not None else "not recorded",
        *([step] if timed else []),
        ", ".join(each.model.reference for each in models),
    ]


def csv_table(table: FilledTable, gains: dict[tuple[str, int], SeedSpread]) -> str:
    """One line per cell; fractions, not percentages."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in table.rows:
        for number, column in enumerate(table.spec.columns):
            runs, found = row.cells[number], row.spread(number)
            gain = gains.get((row.line.label, number))
            std = row.line.paper_std[number] if number < len(row.line.paper_std) else None
            writer.writerow(
                [
                    *(row.line.row, row.line.label, column.label, len(runs)),
                    *((found.mean, found.std, found.low, found.high) if found is not None else (None,) * 4),
                    *((runs[0].n, runs[0].chance) if runs else (None, None)),
                    *((gain.mean, gain.low, gain.high) if gain is not None else (None,) * 3),
                    *(paper_value(row, number), std, " ".join(run.scores for run in runs)),
                ]
            )
    return stream.getvalue()


def scale_of(table: FilledTable) -> str:
    """Parameters of our smallest and largest model; empty if they were not recorded."""
    sizes = [value for row in table.rows if row.models and (value := trained(row.models)["parameters"]) is not None]
    return _range([f"{value / 1e6:,.1f} M" for value in (min(sizes), max(sizes))]) + " parameters" if sizes else ""


def _range(ends: Sequence[str]) -> str:
    return ends[0] if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}"
