"""One HTML page about training runs: settings and curves, over steps and over tokens."""

from __future__ import annotations

from collections.abc import Sequence

from lst_cli.reports.drawing.curves import RUN_AXES, RUN_QUANTITIES, DrawnRun, panels_of, with_stories
from lst_cli.reports.drawing.templates import asset, templates
from lst_cli.training.run.run_list import TrainingRun, settings
from lst_cli.training.run.unfinished import differences


def render(runs: Sequence[TrainingRun]) -> str:
    """One HTML file with everything inside: of one run all settings, of two those that differ."""
    from markupsafe import Markup

    from lst_cli.reports.drawing.panels import draw_curves
    from lst_cli.reports.drawing.svg import stroke
    from lst_cli.version import __version__

    drawn = [
        DrawnRun(label=run.label, colour=number, points=with_stories(run.records)) for number, run in enumerate(runs)
    ]
    panels = panels_of(drawn, RUN_QUANTITIES, RUN_AXES)
    return (
        templates()
        .get_template("runs_page.html.j2")
        .render(
            version=__version__,
            runs=runs,
            strokes=[stroke(number) for number in range(len(runs))],
            settings=_settings(runs),
            axes=[
                (
                    name,
                    [Markup(draw_curves(panel, f"{axis}-{n}")) for n, panel in enumerate(panels) if panel.axis == axis],
                )
                for axis, name in RUN_AXES.items()
            ],
            style=asset("page.css"),
        )
    )


def _settings(runs: Sequence[TrainingRun]) -> list[tuple[str, list[str]]]:
    if len(runs) == 1:
        return [(key, [str(value)]) for key, value in settings(runs[0])]
    first, second = runs
    return [
        (key.partition(".")[2], ["" if value is None else str(value) for value in values])
        for key, *values in differences(first.identity, second.identity)
    ]
