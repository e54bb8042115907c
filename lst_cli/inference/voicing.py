"""From texts to a growing stream of audio: a model and a vocoder that fit together.

Legend: T samples at the vocoder's rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.inference.speak import Said, speak_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.inference.sampling import Sampling
    from lst_cli.training.model_artifact import LoadedModel
    from lst_cli.vocoder.vocoder import Vocoder


@dataclass(frozen=True, kw_only=True)
class Voiced:
    """A text that was spoken."""

    text: str
    said: Said
    wave_T: NDArray[np.float32]


def voice(
    loaded: LoadedModel,
    vocoder: Vocoder,
    texts: Sequence[str],
    sampling: Sampling | None,
    *,
    rows: int,
    speaker: str | None = None,
) -> Iterator[Voiced]:
    """Speak texts in their order, ``rows`` at a time; each comes as soon as its group is spoken."""
    for start in range(0, len(texts), rows):
        group = texts[start : start + rows]
        spoken = speak_texts(loaded, group, sampling, rows=rows, first_key=start)
        for text, said in zip(group, spoken, strict=True):
            yield Voiced(text=text, said=said, wave_T=vocoder.speak(said.units, speaker))
