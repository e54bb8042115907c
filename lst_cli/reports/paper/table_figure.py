"""A table of the paper as one SVG: a panel for each column, ours with intervals, the paper's as hollow diamonds."""

from __future__ import annotations

import textwrap
from typing import Any

from lst_cli.reports.drawing.svg import MUTED, PAPER_TONE, colour, svg_file
from lst_cli.reports.paper.fill_table import FilledTable
from lst_cli.reports.paper.table_spec import ROWS
from lst_cli.reports.paper.table_text import paper_value
from lst_cli.reports.paper.training_cost import trained

_COLUMN_IN, _LABELS_IN, _ROW_IN, _AROUND_IN = 1.8, 2.2, 0.26, 1.1

_OVER = {"parameters": "parameters", "flops": "training FLOPs", "tokens": "training tokens"}
"""Axis of a figure → its label."""

_OURS, _BASELINE = colour(1), colour(0)


def draw_table(table: FilledTable) -> bytes:
    """The SVG file: a panel for each column, a row for each line, our intervals and the paper's numbers as marks."""
    spec, rows = table.spec, table.rows
    if spec.over:
        return draw_curves(table)
    width = _LABELS_IN + _COLUMN_IN * len(spec.columns)
    with svg_file(width, _AROUND_IN + _ROW_IN * len(rows), len(spec.columns)) as (drawn, axes, stream):
        for number, (column, panel) in enumerate(zip(spec.columns, axes, strict=True)):
            panel.set_title(textwrap.fill(column.label, 24))
            panel.set_xlabel("%" if column.is_share else "positions")
            panel.grid(visible=False, axis="y")
            panel.grid(visible=True, axis="x")
            scale = 100 if column.is_share else 1
            chances = {run.chance for row in rows for run in row.cells[number] if run.chance is not None}
            for chance in chances:
                panel.axvline(100 * chance, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
            for place, row in enumerate(rows):
                _mark(panel, place, scale, row.spread(number), paper_value(row, number))
            if not column.is_share:
                panel.set_xlim(left=0)
        axes[0].set_yticks(range(len(rows)), [row.line.label for row in rows])
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        _legend(drawn, chance=any(run.chance is not None for row in rows for cell in row.cells for run in cell))
    return stream.getvalue()


def draw_curves(table: FilledTable) -> bytes:
    """The SVG file of a figure whose points are plotted over a figure of the training; one curve per kind of model."""
    spec = table.spec
    with svg_file(3.4 * len(spec.columns), 3.2, len(spec.columns)) as (drawn, axes, stream):
        for number, (column, panel) in enumerate(zip(spec.columns, axes, strict=True)):
            panel.set_title(column.label)
            panel.set_xlabel(_OVER[spec.over])
            panel.set_ylabel("%" if number == 0 else "")
            panel.set_xscale("log")
            for name in dict.fromkeys(row.line.row for row in table.rows):
                _curve(panel, table, name, number)
        handles, labels = axes[0].get_legend_handles_labels()
        if handles:
            drawn.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return stream.getvalue()


def _curve(panel: Any, table: FilledTable, name: str, number: int) -> None:
    points = [
        (where, found)
        for row in table.rows
        if row.line.row == name and (found := row.spread(number)) and (where := trained(row.models)[table.spec.over])
    ]
    if not points:
        return
    x, means = [where for where, _ in points], [100 * found.mean for _, found in points]
    ends = [
        [100 * (found.mean - found.low) for _, found in points],
        [100 * (found.high - found.mean) for _, found in points],
    ]
    line = _BASELINE if name == "baseline" else _OURS
    panel.errorbar(x, means, yerr=ends, color=line, marker="o", markersize=4, linewidth=1.4, label=ROWS[name][0])


def _mark(panel: Any, place: int, scale: int, found: Any, theirs: float | None) -> None:
    if theirs is not None:
        panel.plot(scale * theirs, place, marker="D", markersize=5, markerfacecolor="none", markeredgecolor=PAPER_TONE)
    if found is not None:
        panel.plot([scale * found.low, scale * found.high], [place, place], color=_OURS, linewidth=1.4)
        panel.plot(scale * found.mean, place, marker="o", markersize=5, color=_OURS)


def _legend(drawn: Any, *, chance: bool) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=_OURS, marker="o", markersize=5, label="ours, 95% interval"),
        Line2D(
            [], [], color=PAPER_TONE, marker="D", markersize=5, markerfacecolor="none", linestyle="", label="the paper"
        ),
    ]
    if chance:
        entries.append(Line2D([], [], color=MUTED, linestyle=(0, (2, 2)), linewidth=0.8, label="chance"))
    drawn.legend(handles=entries, loc="outside lower center", ncols=len(entries), frameon=False)
