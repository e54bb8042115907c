"""Checks of input and output that all vocoders share.

Legend: U units, T samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lst_cli.errors import UserError
from lst_cli.vocoder.streaming import PEAK


def limited(wave_T: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same samples, made softer as a whole where some are too loud."""
    peak = float(np.abs(wave_T).max(initial=0.0))
    return wave_T * np.float32(PEAK / peak) if peak > PEAK else wave_T


def speaker_number(speakers: Sequence[str], name: str | None) -> int:
    """The place of a speaker; the first one for None.

    :raises UserError: there is no such speaker.
    """
    if name is None:
        return 0
    if name not in speakers:
        shown = ", ".join(speakers[:10]) + (f" and {len(speakers) - 10} more" if len(speakers) > 10 else "")
        raise UserError(f"--speaker {name}: the vocoder has no such voice", expected=f"one of {shown}")
    return speakers.index(name)


def check_units(units_U: NDArray[np.integer], kinds: int) -> None:
    """Refuse units that a vocoder does not have."""
    if len(units_U) and int(units_U.max()) >= kinds:
        raise UserError(
            "a unit that the vocoder does not have", found=str(int(units_U.max())), expected=f"0 to {kinds - 1}"
        )
