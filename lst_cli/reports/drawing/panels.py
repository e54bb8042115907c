"""The panels that matplotlib draws: training curves and patch lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lst_cli.reports.drawing.curves import AXES, RUN_AXES, Panel, title
from lst_cli.reports.drawing.svg import DOTTED, INK, colour, dash, panel

if TYPE_CHECKING:
    from lst_cli.reports.drawing.patches import Lengths

_SHOWN_LENGTHS = 24
"""Longer patches are counted in the last bar (0.96 s and more)."""

_FRAME_MS = 40


def draw_curves(shown: Panel, name: str) -> str:
    """One quantity of all models over steps or positions, as SVG."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    name_shown, axis = title(shown.quantity), {**AXES, **RUN_AXES}[shown.axis]
    labels = ", ".join(dict.fromkeys(line.label for line in shown.lines))
    with panel(name, f"{name_shown}, over {axis}: {labels}") as drawing:
        axes = drawing.axes
        for line in shown.lines:
            style = DOTTED if line.valid else dash(line.colour)
            axes.plot(line.x, line.y, color=colour(line.colour), linestyle=style)
        axes.set_title(name_shown)
        axes.set_xlabel(axis)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_xlim(left=0)
        if shown.quantity == "patch_length":
            axes.set_ylim(bottom=0)
    return drawing.svg


def draw_lengths(kinds: Sequence[Lengths], title: str, name: str) -> str:
    """Shares of patch lengths, kinds of patches stacked, as SVG. The mean of each kind is marked."""
    import numpy as np

    total = sum(kind.patches for kind in kinds)
    alt = f"{title}: " + "; ".join(f"{kind.name}, mean {kind.mean:.1f} tokens" for kind in kinds)
    with panel(name, alt) as drawing:
        axes = drawing.axes
        lengths = np.arange(1, _SHOWN_LENGTHS + 1)
        bottom = np.zeros(_SHOWN_LENGTHS)
        for number, kind in enumerate(kinds):
            shares = np.zeros(_SHOWN_LENGTHS)
            np.add.at(shares, np.minimum(np.arange(1, len(kind.counts_L)), _SHOWN_LENGTHS) - 1, kind.counts_L[1:])
            shares *= 100 / total
            axes.bar(lengths, shares, bottom=bottom, width=0.82, color=colour(number + 1), label=kind.name)
            bottom += shares
        for number, kind in enumerate(kinds):
            axes.axvline(kind.mean, color=colour(number + 1), linestyle=dash(1), linewidth=1.2)
        axes.set_title(title)
        axes.set_xlabel(f"speech tokens ({_FRAME_MS} ms each)")
        axes.set_ylabel("% of patches")
        axes.set_ylim(0, max(1.08 * float(bottom.max()), 1.0))
        axes.set_xlim(0.3, _SHOWN_LENGTHS + 0.7)
        axes.set_xticks([1, 4, 8, 12, 16, 20, _SHOWN_LENGTHS], ["1", "4", "8", "12", "16", "20", f"{_SHOWN_LENGTHS}+"])
        if len(kinds) > 1:
            axes.legend(frameon=False, labelcolor=INK, loc="upper right")
    return drawing.svg
