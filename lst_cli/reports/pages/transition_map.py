"""The picture of the transitions between units, with its colour scale.

Legend: K units.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLOURS = "magma_r"
_STOPS = 9
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Places on the colour scale that are labelled."""


@dataclass(frozen=True, kw_only=True)
class TransitionMap:
    """The picture and its colour scale."""

    picture: str
    """``data:`` address of a PNG, one pixel for each pair of units."""
    stops: list[tuple[float, str]]
    """Colours of the scale: place from 0 to 1, CSS colour."""
    ticks: list[tuple[float, str]]
    """Labels of the scale: place from 0 to 1, transition probability."""


def draw_transitions(transitions_KK: NDArray[np.int64], order_K: NDArray[np.intp]) -> TransitionMap:
    """Transition probabilities from the row's unit to the column's, coloured by their square root.

    The square root keeps the many small probabilities visible next to the few large ones.

    :param transitions_KK: how often each unit is followed by each other one.
    :param order_K: order of rows and columns.
    """
    import matplotlib
    import matplotlib.image
    import numpy as np
    from matplotlib.colors import to_hex

    counts_KK = transitions_KK[np.ix_(order_K, order_K)].astype(np.float64)
    share_KK = counts_KK / np.maximum(1, counts_KK.sum(axis=1, keepdims=True))
    largest = float(share_KK.max(initial=0.0))
    shade_KK = np.sqrt(share_KK / max(largest, 1e-9))
    buffer = io.BytesIO()
    options: dict[str, Any] = {"cmap": _COLOURS, "vmin": 0.0, "vmax": 1.0, "metadata": {"Software": None}}
    matplotlib.image.imsave(buffer, shade_KK, format="png", **options)
    colours = matplotlib.colormaps[_COLOURS]
    places = [number / (_STOPS - 1) for number in range(_STOPS)]
    return TransitionMap(
        picture=f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}",
        stops=[(place, to_hex(colours(place))) for place in places],
        ticks=[(place, f"{100 * largest * place**2:.2g}%") for place in _TICKS],
    )
