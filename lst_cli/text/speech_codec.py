"""A quantizer's speech tokens as a model's token ids: one id a speech token, or pieces of a speech BPE.

Legend: N speech tokens (units), T token ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lst_cli.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lst_cli.text.speech_bpe import SpeechBpe


@dataclass(frozen=True)
class SpeechCodec:
    """Turns units into ids and back; all code that encodes or counts speech for a model uses it."""

    vocabulary: Vocabulary
    """The model's; its units are the pieces of the BPE, where there is one."""
    bpe: SpeechBpe | None = None
    merges_repeats: bool = False
    """Whether a run of one unit is one token, as in TWIST and slamkit: durations are lost."""

    @property
    def units(self) -> int:
        """Number of different speech tokens: the quantizer's clusters."""
        return self.vocabulary.units if self.bpe is None else self.bpe.units

    def encode(self, units_N: NDArray[np.integer]) -> NDArray[np.int32]:
        """Ids of one run of speech tokens, merged alone: a prompt and its ending are two runs."""
        if self.merges_repeats:
            units_N = units_N[np.append(True, units_N[1:] != units_N[:-1])[: len(units_N)]]
        return self.vocabulary.units_to_ids(units_N if self.bpe is None else self.bpe.encode(units_N))

    def decode(self, ids_T: NDArray[np.integer]) -> NDArray[np.uint16]:
        """The speech tokens of ids; all of them must be ids of speech."""
        pieces = self.vocabulary.ids_to_units(ids_T)
        return pieces if self.bpe is None else self.bpe.decode(pieces)

    def count(self, ids_T: NDArray[np.integer]) -> int:
        """The number of speech tokens of each id; 0 for ids of text."""
        speech_T = ids_T[self.vocabulary.is_speech(ids_T)]
        return len(speech_T) if self.bpe is None else self.bpe.count(speech_T - self.vocabulary.speech_start)
