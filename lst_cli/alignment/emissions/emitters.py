"""Models that predict letters over time, behind one interface. Legend: U frames, V labels."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, Protocol

from lst_cli.alignment.emissions.aligner_network import FRAME_HOP, FRAME_OFFSET, LetterNetwork, emission
from lst_cli.alignment.emissions.mel import log_mel, mel_power, normalise
from lst_cli.alignment.emissions.spelling import BLANK, LETTERS, Spelling, spell
from lst_cli.alignment.words import Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from lst_cli.alignment.fit.aligner_config import AlignerConfig


class Emitter(Protocol):
    """A CTC model with its labels."""

    @property
    def letters(self) -> Set[str]:
        """Lower-case letters that it has labels for."""

    @property
    def blank(self) -> int:
        """Its label for no letter."""

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""

    @property
    def offset(self) -> int:
        """Sample at which frame 0 begins."""

    @property
    def peaky(self) -> bool:
        """Whether its letters last one frame, with blanks between them, as plain CTC makes them."""

    @property
    def batch_s(self) -> float:
        """Seconds of speech in a batch."""

    @property
    def trust(self) -> float:
        """Factor on its scores, from 0 to 1: how well they generalise to speech that it was not trained on."""

    def spell(self, words: Sequence[Word]) -> Spelling:
        """The labels of a transcript."""

    def emit(self, waves: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """Log-probabilities [U, V] of each clip, on the CPU. Other clips of the batch do not change it."""


class SmallEmitter:
    """The aligner that ``lst align fit`` trains. Its scores are log-probabilities over priors, normalised again."""

    letters: Set[str] = LETTERS
    blank = BLANK
    hop = FRAME_HOP
    offset = FRAME_OFFSET
    peaky = False
    batch_s = 60.0

    def __init__(self, network: LetterNetwork, config: AlignerConfig, trust: float = 1.0) -> None:
        self._network = network
        self._config = config
        self.trust = trust

    def spell(self, words: Sequence[Word]) -> Spelling:
        """See :func:`lst_cli.alignment.emissions.spelling.spell`."""
        return spell(words)

    def emit(self, waves: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """Scores [U, V] of each clip."""
        mels = [normalise(log_mel(mel_power(wave, self._config.network.bands))) for wave in waves]
        return emission(self._network, mels, self._config.prior_scale)
