"""Matplotlib's SVG as part of the page: text stays text, colours follow the page's theme, ids never clash."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INK, MUTED, GRID = "#010101", "#020202", "#030303"
"""Stand-ins that become the page's colours, in light and dark."""

SERIES = tuple(f"#0401{number:02x}" for number in range(8))
"""Stand-ins for the models' colours."""

DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
"""Line styles that tell models apart without colours."""

_THEME = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)"} | {
    stand_in: f"var(--series-{number})" for number, stand_in in enumerate(SERIES)
}

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lst",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.6,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}

WIDTH_IN, HEIGHT_IN = 4.3, 2.7
"""Size of a panel: at this width its text is readable on a phone without scaling."""


def colour(number: int) -> str:
    """The stand-in of a model's colour."""
    return SERIES[number % len(SERIES)]


def dash(number: int) -> Any:
    """The line style of a model."""
    return DASHES[number % len(DASHES)]


class Drawing:
    """One panel: matplotlib axes, and its SVG when the block of :func:`panel` has ended."""

    def __init__(self, figure: Any, axes: Any) -> None:
        self.figure = figure
        self.axes = axes
        self.svg = ""


@contextmanager
def panel(name: str, alt: str) -> Iterator[Drawing]:
    """Draw one panel.

    :param name: unique on the page; its ids begin with it.
    :param alt: what the panel shows, for those who cannot see it.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        FigureCanvasSVG(figure)
        drawing = Drawing(figure, figure.subplots())
        yield drawing
        stream = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", metadata=nothing)
    drawing.svg = themed(stream.getvalue(), name, alt)


def themed(svg: str, name: str, alt: str) -> str:
    """A whole SVG document as an element of the page."""
    from markupsafe import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*</defs>\s*", "", svg)
    for stand_in, value in _THEME.items():
        svg = svg.replace(stand_in, value)
    svg = re.sub(
        r"""font-family: [^;"]*;?|font: ([\d.]+px) [^;"]*""", lambda m: f"font-size: {m[1]}" if m[1] else "", svg
    )
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'href="#{name}-\2"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    view = re.search(r'viewBox="([^"]+)"', svg)
    assert view is not None
    opening = f'<svg class="panel" viewBox="{view[1]}" role="img" aria-label="{escape(alt)}">'
    return re.sub(r"<svg[^>]*>", lambda match: opening, svg, count=1).strip()
