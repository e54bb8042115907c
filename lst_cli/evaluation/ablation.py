"""Ablations: scores with a part of the model, or of the prompt, disabled.

The patch decoder's cross-attention is the only way from the global transformer to the predicted tokens. So the points
that a row loses without it are the points that come through its patches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lst_cli.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from lst_cli.inference.shared_prompt import Question
    from lst_cli.model_artifact.card import LoadedModel

CROSS_ATTENTION = "cross-attention"
FORMS = f"{CROSS_ATTENTION}, prompt:N or window:N"


@dataclass(frozen=True)
class Ablation:
    """One ablation."""

    part: Literal["cross-attention", "prompt", "window"]
    """``cross-attention``: the patch decoder reads no patch. ``prompt``: of each prompt only its last tokens are left.
    ``window``: the self-attention of patch encoder and decoder reaches fewer tokens."""
    tokens: int | None = None
    """How many tokens are left of the prompt, or seen by a token, itself included."""

    @classmethod
    def parse(cls, text: str) -> Ablation:
        """Read ``cross-attention``, ``prompt:N`` or ``window:N``.

        :raises UserError: it is none of them.
        """
        part, _, number = text.partition(":")
        if text == CROSS_ATTENTION:
            return cls("cross-attention")
        if part in ("prompt", "window") and number.isdecimal() and int(number):
            return cls("prompt" if part == "prompt" else "window", int(number))
        raise UserError(f"--ablate {text}: unknown ablation", expected=f"{FORMS}, with N tokens, 1 or more")

    def __str__(self) -> str:
        return self.part if self.tokens is None else f"{self.part}:{self.tokens}"

    @property
    def slug(self) -> str:
        """The end of the name of the scores."""
        return f"no-{self.part}" if self.tokens is None else f"{self.part}{self.tokens}"

    def of_model(self, loaded: LoadedModel, name: str) -> LoadedModel:
        """The model with its part switched off; it is changed in place.

        :param name: what errors call the model.
        :raises UserError: the model has no such part.
        """
        if self.part == "prompt":
            return loaded
        from lst_cli.model.model import Latent

        model = loaded.model
        if not isinstance(model, Latent) or not model.local.decoder_layers:
            raise UserError(
                f"--ablate {self}: {name} has no patch decoder",
                expected="an LST model; --ablate prompt:N works for every model",
            )
        if self.tokens is None:
            for number in range(len(model.decoder.crosses)):
                model.decoder.crosses[number] = _no_cross_attention()
            return loaded
        model.local = dataclasses.replace(model.local, window=min(self.tokens, model.local.window))
        model.config = dataclasses.replace(model.config, local=model.local)
        return dataclasses.replace(loaded, card=dataclasses.replace(loaded.card, architecture=model.config))

    def of_questions(self, questions: Sequence[Question]) -> list[Question]:
        """The questions, their prompts cut to the marker that opens them and their last tokens."""
        if self.part != "prompt" or self.tokens is None:
            return list(questions)
        return [
            dataclasses.replace(
                question,
                prompt_T=self._left(question.prompt_T),
                words=None if question.words is None else (self._left(question.words[0]), *question.words[1:]),
            )
            for question in questions
        ]

    def _left(self, prompt_T: NDArray[np.int32]) -> NDArray[np.int32]:
        """The marker and the last tokens of a prompt, or what belongs to them."""
        import numpy as np

        return np.concatenate([prompt_T[:1], prompt_T[1:][-self.tokens :]]) if self.tokens is not None else prompt_T


def _no_cross_attention() -> torch.nn.Module:
    from torch import Tensor, nn

    from lst_cli.model.layers import Attend

    class NoCrossAttention(nn.Module):
        def forward(self, x_TL: Tensor, memory_SL: Tensor, attend_over: Attend) -> Tensor:
            return x_TL

    return NoCrossAttention()
