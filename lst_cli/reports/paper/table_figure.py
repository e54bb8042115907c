"""A table of the paper as one SVG: a panel for each column, ours with intervals, the paper's as hollow diamonds."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lst_cli.reports.paper.fill_table import FilledTable
from lst_cli.reports.paper.table_spec import ROWS
from lst_cli.reports.paper.table_text import paper_value
from lst_cli.reports.paper.training_cost import trained

INK, MUTED, GRID, OURS, PAPER = "#1c1c1c", "#5f5f5f", "#e2e2e2", "#2563a8", "#b4541a"

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lst",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "ytick.major.size": 0,
}

_COLUMN_IN, _LABELS_IN, _ROW_IN, _AROUND_IN = 1.8, 2.2, 0.26, 1.1


@contextmanager
def figure(width_in: float, height_in: float, columns: int = 1) -> Iterator[tuple[Any, list[Any], io.BytesIO]]:
    """Matplotlib axes in a row, written as an SVG file of its own when the block ends: same input, same bytes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        drawn = Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")
        FigureCanvasSVG(drawn)
        axes = drawn.subplots(1, columns, sharey=True, squeeze=False)[0]
        stream = io.BytesIO()
        yield drawn, list(axes), stream
        drawn.savefig(stream, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))


def draw_table(table: FilledTable) -> bytes:
    """The SVG file: a panel for each column, a row for each line, our intervals and the paper's numbers as marks."""
    spec, rows = table.spec, table.rows
    if spec.over:
        return draw_curves(table)
    width = _LABELS_IN + _COLUMN_IN * len(spec.columns)
    with figure(width, _AROUND_IN + _ROW_IN * len(rows), len(spec.columns)) as (drawn, axes, stream):
        for number, (column, panel) in enumerate(zip(spec.columns, axes, strict=True)):
            panel.set_title(textwrap.fill(column.label, 24))
            panel.set_xlabel("%" if column.is_share else "units")
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
    """The SVG file of a figure whose points lie over a figure of the training; a curve for each kind of model."""
    spec = table.spec
    with figure(3.4 * len(spec.columns), 3.2, len(spec.columns)) as (drawn, axes, stream):
        for number, (column, panel) in enumerate(zip(spec.columns, axes, strict=True)):
            panel.set_title(column.label)
            panel.set_xlabel(spec.over)
            panel.set_ylabel("%" if number == 0 else "")
            panel.set_xscale("log")
            panel.grid(axis="y")
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
    colour = MUTED if name == "baseline" else OURS
    panel.errorbar(x, means, yerr=ends, color=colour, marker="o", markersize=4, linewidth=1.4, label=ROWS[name][0])


def _mark(panel: Any, place: int, scale: int, found: Any, theirs: float | None) -> None:
    if theirs is not None:
        panel.plot(scale * theirs, place, marker="D", markersize=5, markerfacecolor="none", markeredgecolor=PAPER)
    if found is not None:
        panel.plot([scale * found.low, scale * found.high], [place, place], color=OURS, linewidth=1.4)
        panel.plot(scale * found.mean, place, marker="o", markersize=5, color=OURS)


def _legend(drawn: Any, *, chance: bool) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=OURS, marker="o", markersize=5, label="ours, 95% interval"),
        Line2D([], [], color=PAPER, marker="D", markersize=5, markerfacecolor="none", linestyle="", label="the paper"),
    ]
    if chance:
        entries.append(Line2D([], [], color=MUTED, linestyle=(0, (2, 2)), linewidth=0.8, label="chance"))
    drawn.legend(handles=entries, loc="outside lower center", ncols=len(entries), frameon=False)
