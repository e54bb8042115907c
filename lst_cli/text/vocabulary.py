"""The joint vocabulary: ``[text tokens | <t> | <s> | speech tokens]``.

One class owns these numbers; no other code adds offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EOS = 2
"""SentencePiece's ``</s>``."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Token ids of text tokens, markers and speech tokens (Lu et al. 2025, section 3)."""

    pieces: int
    """Number of text tokens; special ones keep their ids."""

    units: int
    """Number of speech tokens: the quantizer's clusters."""

    eos: int = EOS
    """Closes every document, text or speech."""

    specials: tuple[int, ...] = (0, 1, EOS)
    """Text tokens that no text is encoded to."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "specials", tuple(self.specials))  # JSON has lists only

    @property
    def t_marker(self) -> int:
        """``<t>`` opens a text segment."""
        return self.pieces

    @property
    def s_marker(self) -> int:
        """``<s>`` opens a speech segment."""
        return self.pieces + 1

    @property
    def speech_start(self) -> int:
        """Id of unit 0; speech tokens are all ids from here on."""
        return self.pieces + 2

    @property
    def size(self) -> int:
        """Number of ids."""
        return self.pieces + 2 + self.units

    def units_to_ids(self, units: NDArray[np.integer]) -> NDArray[np.int32]:
        """Quantizer units to token ids."""
        import numpy as np

        ids: NDArray[np.int32] = units.astype(np.int32) + np.int32(self.speech_start)
        return ids

    def ids_to_units(self, ids: NDArray[np.integer]) -> NDArray[np.uint16]:
        """Token ids of speech tokens to quantizer units."""
        import numpy as np

        return (ids - self.speech_start).astype(np.uint16)

    def speech_units(self, ids: NDArray[np.integer]) -> NDArray[np.int32]:
        """The unit of each id that is a speech token, -1 for the others."""
        import numpy as np

        units: NDArray[np.int32] = np.maximum(ids.astype(np.int32) - np.int32(self.speech_start), np.int32(-1))
        return units

    def is_speech(self, ids: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Which ids are speech tokens."""
        return ids >= self.speech_start
