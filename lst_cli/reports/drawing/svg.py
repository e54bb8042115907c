"""One style for all of matplotlib's SVG: panels inside a page, and separate files.

Everything is drawn in stand-in colours. Inside a page they become CSS variables, which follow light and dark mode; in a
file they become the page's light colours.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

INK, MUTED, GRID, PAPER_TONE = "#010101", "#020202", "#030303", "#050505"
"""Stand-ins for text, secondary text, grid lines, and the paper's numbers."""

SERIES = tuple(f"#0401{number:02x}" for number in range(8))
"""Stand-ins for the models' colours."""

DASHES = ("-", (0, (6, 2)), (0, (7, 2, 1.5, 2)), (0, (3, 1.5)))
"""Line styles that distinguish models without colours. None is dotted: :data:`DOTTED` marks held-out data."""

DOTTED = (0, (1, 2))

LINE_WIDTH = 1.8

_THEME = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER_TONE: "var(--paper-tone)"} | {
    stand_in: f"var(--series-{number})" for number, stand_in in enumerate(SERIES)
}

_SERIES_LIGHT = ("#66717f", "#2563c9", "#c2570c", "#15803d", "#7c3aed", "#be185d", "#0e7490", "#854d0e")
_LIGHT = {INK: "#1c2128", MUTED: "#5b6470", GRID: "#d9dee4", PAPER_TONE: "#6d4a9e"} | dict(
    zip(SERIES, _SERIES_LIGHT, strict=True)
)
"""The light colours of page.css."""

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
    "lines.linewidth": LINE_WIDTH,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}

WIDTH_IN, HEIGHT_IN = 4.3, 2.7
"""Size of a panel: at this width its text is readable on a phone without scaling."""

_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def colour(number: int) -> str:
    """The stand-in of a model's colour."""
    return SERIES[number % len(SERIES)]


def dash(number: int) -> Any:
    """The line style of a model."""
    return DASHES[number % len(DASHES)]


def stroke(number: int) -> str:
    """The same for a legend's line in the page: ``stroke-dasharray``; empty for a solid line."""
    style = dash(number)
    return "" if isinstance(style, str) else " ".join(f"{LINE_WIDTH * length:g}" for length in style[1])


class Drawing:
    """One panel: matplotlib axes, and its SVG once the block of :func:`panel` has ended."""

    def __init__(self, figure: Any, axes: Any) -> None:
        self.figure = figure
        self.axes = axes
        self.svg = ""


@contextmanager
def panel(name: str, alt: str) -> Iterator[Drawing]:
    """Draw one panel.

    :param name: unique on the page; its ids begin with it.
    :param alt: text alternative of the panel.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        FigureCanvasSVG(figure)
        drawing = Drawing(figure, figure.subplots())
        yield drawing
        drawing.svg = themed(_written(figure), name, alt)


@contextmanager
def svg_file(width_in: float, height_in: float, columns: int = 1) -> Iterator[tuple[Any, list[Any], io.BytesIO]]:
    """Axes in a row with a shared y axis, written as an SVG file when the block ends: same input, same bytes.

    Yields the figure, its axes, and the stream that holds the file afterwards.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "figure.facecolor": "white", "savefig.facecolor": "white"}):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        stream = io.BytesIO()
        yield figure, list(figure.subplots(1, columns, sharey=True, squeeze=False)[0]), stream
        stream.write(_coloured(_written(figure), _LIGHT).encode())


def _written(figure: Any) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata=_NO_METADATA)
    return stream.getvalue()


def _coloured(svg: str, colours: Mapping[str, str]) -> str:
    for stand_in, value in colours.items():
        svg = svg.replace(stand_in, value)
    return svg


def themed(svg: str, name: str, alt: str) -> str:
    """A whole SVG document as an element of the page."""
    from markupsafe import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*</defs>\s*", "", svg)
    svg = _coloured(svg, _THEME)
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
