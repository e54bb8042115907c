"""Story completion while a model is trained: the curves of Lu et al. 2025, Fig. 1.

What the stories are and how they are scored comes from above. A bounded number of them is shared out between the
processes at every validation, and the accuracy goes into the curve. Imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lst_cli.artifacts import Artifact

if TYPE_CHECKING:
    from torch import nn

    from lst_cli.text.speech_codec import SpeechCodec
    from lst_cli.training.model_artifact import ModelCard

ACCURACY = "story_accuracy"
"""Share of the stories whose right ending is the likeliest, as the curve calls it."""


class Scorer(Protocol):
    """Scores stories of one task in one direction."""

    @property
    def items(self) -> int:
        """Number of stories."""

    def __call__(self, model: nn.Module, items: range) -> list[float]:
        """1 for each right answer, a part of it for a tie, else 0.

        :param model: a whole copy, not wrapped, on its device.
        :param items: which stories.
        """


@dataclass(frozen=True, kw_only=True)
class Stories:
    """The stories of a run."""

    identity: Mapping[str, Any]
    """Tasks, and sums of their files: part of the run's identity, as its curve holds the accuracies."""
    tokens: Artifact | None
    """Their speech tokens; without any they are scored in text only."""
    make_scorers: Callable[[ModelCard, SpeechCodec, Path, int], Mapping[str, Scorer]]
    """From the model's card, its speech, its text tokenizer's file and the most items: scorers by the source that
    their lines of the curve name, as ``storycloze-s-s``."""
