"""The page: one self-contained HTML file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lst_cli.artifacts.ancestors import short
from lst_cli.reports.drawing.curves import AXES, Curves
from lst_cli.reports.drawing.panels import draw_curves, draw_lengths
from lst_cli.reports.drawing.patches import MOST_UTTERANCES, Lengths
from lst_cli.reports.drawing.svg import stroke
from lst_cli.reports.drawing.templates import asset, templates
from lst_cli.reports.number_text import count, direction_name, interval, percent, points
from lst_cli.reports.page.contents import Contents
from lst_cli.reports.page.markdown_tables import paper_cells
from lst_cli.reports.page.result_rows import AsrRow, Rows, ScoreRow
from lst_cli.reports.page.utterances import AlignedSource
from lst_cli.reports.page.verdicts import Verdict
from lst_cli.reports.paper import published as paper
from lst_cli.version import __version__

TASKS: Mapping[str, str] = {
    "pretrain": "Pretraining",
    "asr": "Fine-tuning for ASR",
    "tts": "Fine-tuning for TTS",
}
"""Training task → heading."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The rows of one task in one direction, the baseline first."""

    task: str
    direction: str
    rows: list[tuple[ScoreRow, Verdict | None]]


@dataclass(frozen=True, kw_only=True)
class DrawnCurves:
    """The curves of one training task: panels by axis."""

    heading: str
    labels: list[tuple[str, int]]
    axes: list[tuple[str, list[Markup]]]


@dataclass(frozen=True, kw_only=True)
class DrawnLengths:
    """Patch lengths of one alignment."""

    source: AlignedSource
    utterances: int
    kinds: list[Lengths]
    panels: list[Markup]


def render(contents: Contents, name: str, reference: str) -> str:
    """The page as HTML.

    :param name: of the report; the page's heading.
    :param reference: of the report.
    """
    environment = templates()
    environment.filters.update(
        percent=percent,
        count=count,
        points=points,
        direction=direction_name,
        short=short,
        pretty=lambda data: json.dumps(data, indent=2, ensure_ascii=False, default=str),
        anchor=lambda text: "".join(char if char.isalnum() else "-" for char in text),
        stroke=stroke,
    )
    environment.globals.update(interval=interval, paper=paper, version=__version__, most_utterances=MOST_UTTERANCES)
    page = environment.get_template("page.html.j2").render(
        name=name,
        reference=reference,
        contents=contents,
        groups=_groups(contents.rows, contents.verdicts),
        asr=_asr(contents.rows, contents.verdicts),
        gains=_gains(contents.verdicts),
        verdict_of={verdict.row.scores: verdict for verdict in contents.verdicts if verdict.row.task == "tts"},
        paper_cells=paper_cells(contents.rows),
        curves=[_draw(number, curves) for number, curves in enumerate(contents.curves)],
        lengths=[_lengths(number, *counted) for number, counted in enumerate(contents.lengths)],
        style=asset("page.css"),
        script=asset("page.js"),
    )
    return "\n".join(line for line in page.splitlines() if line.strip()) + "\n"


def _groups(rows: Rows, verdicts: Sequence[Verdict]) -> list[Group]:
    verdict_of = {id(verdict.row): verdict for verdict in verdicts}
    grouped: dict[tuple[str, str], list[ScoreRow]] = {}
    for row in rows.scores:
        grouped.setdefault((row.task, row.direction), []).append(row)
    return [
        Group(
            task=task,
            direction=direction,
            rows=[(row, verdict_of.get(id(row))) for row in sorted(members, key=lambda row: not row.model.is_baseline)],
        )
        for (task, direction), members in grouped.items()
    ]


def _asr(rows: Rows, verdicts: Sequence[Verdict]) -> list[tuple[AsrRow, Verdict | None]]:
    verdict_of = {id(verdict.row): verdict for verdict in verdicts}
    return [(row, verdict_of.get(id(row))) for row in sorted(rows.asr, key=lambda row: not row.model.is_baseline)]


def _gains(verdicts: Sequence[Verdict]) -> list[tuple[Verdict, float]]:
    """Our differences to the baseline that the paper reports too, with the paper's."""
    pairs = []
    for verdict in verdicts:
        theirs = paper.gain(verdict.row.model.strategy, verdict.row.task, verdict.row.direction)
        if theirs is not None:
            pairs.append((verdict, theirs))
    return pairs


def _draw(number: int, curves: Curves) -> DrawnCurves:
    axes: list[tuple[str, list[Markup]]] = [
        (title, [Markup(draw_curves(panel, f"c{number}-{axis}-{n}")) for n, panel in enumerate(curves.over(axis))])
        for axis, title in AXES.items()
    ]
    return DrawnCurves(
        heading=TASKS.get(curves.task, f"Training: {curves.task}"),
        labels=curves.labels,
        axes=[(title, panels) for title, panels in axes if panels],
    )


def _lengths(number: int, source: AlignedSource, kinds: list[Lengths], utterances: int) -> DrawnLengths:
    static = [kind for kind in kinds if kind.name.startswith("static")]
    aligned = [kind for kind in kinds if kind.name in ("words", "silences")]
    drawn = [
        ("aligned patches", aligned),
        (f"{static[0].name} patches" if static else "", static),
    ]
    return DrawnLengths(
        source=source,
        utterances=utterances,
        kinds=kinds,
        panels=[
            Markup(draw_lengths(some, f"{title}, share by length", f"l{number}-{n}"))
            for n, (title, some) in enumerate(drawn)
            if some
        ],
    )
