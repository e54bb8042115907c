"""How the next token is drawn.

Legend: R rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lst_cli.errors import UserError
from lst_cli.model.upload import Upload

_HARDEST_PENALTY = 1000
"""A larger repetition penalty would change nothing, but at last leave the range of float32."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Filters and temperature; the default takes the likeliest token."""

    temperature: float = 0.0
    """0 takes the likeliest token; 1 draws from the model's own distribution."""
    top_k: int = 0
    """Draw from this many likeliest tokens; 0 from all."""
    top_p: float = 1.0
    """Draw from the fewest likeliest tokens that together have this probability (Holtzman et al. 2020)."""
    repetition_penalty: float = 1.0
    """Divides the odds of tokens that were generated before: their log-probability is multiplied by it
    (Keskar et al. 2019, on log-probabilities instead of logits, which keeps its sign); 1 changes nothing."""
    seed: int = 0
    """A draw depends on this, the prompt's key and the place in the continuation."""

    def __post_init__(self) -> None:
        problems = []
        if not 0 <= self.temperature < float("inf"):
            problems.append(f"temperature {self.temperature} is not a number from 0 up")
        if self.top_k < 0:
            problems.append(f"top-k {self.top_k} is below 0")
        if not 0 < self.top_p <= 1:
            problems.append(f"top-p {self.top_p} is not in (0, 1]")
        if not 1 <= self.repetition_penalty <= _HARDEST_PENALTY:
            problems.append(f"repetition penalty {self.repetition_penalty} is not from 1 to {_HARDEST_PENALTY}")
        if problems:
            raise UserError("sampling: invalid settings", found="; ".join(problems))

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken, whatever the draw."""
        return self.temperature == 0 and self.repetition_penalty == 1

    def choose(self, log_p_RV: Tensor, before: Sequence[Sequence[int]], draws: Sequence[float]) -> Tensor:
        """The next token (R).

        :param log_p_RV: log-probabilities, -inf for excluded tokens; every row has at least one other.
        :param before: tokens that each row has generated so far.
        :param draws: a number in [0, 1) for each row.
        """
        log_p_RV = self._penalised(log_p_RV, before)
        if self.temperature == 0:
            return log_p_RV.argmax(-1)
        # From the likeliest down and in float64, so that no temperature makes all tokens impossible.
        scaled_RV = (log_p_RV - log_p_RV.amax(-1, keepdim=True)).double() / self.temperature
        p_RV, token_RV = scaled_RV.softmax(-1).float().sort(dim=-1, descending=True, stable=True)
        if self.top_k:
            p_RV[:, self.top_k :] = 0
        # A token stays while those before it have not reached top_p; the likeliest always does.
        reached_RV = p_RV.cumsum(-1) - p_RV >= self.top_p * p_RV.sum(-1, keepdim=True)
        reached_RV[:, 0] = False
        p_RV = p_RV.masked_fill(reached_RV, 0)
        total_RV = p_RV.double().cumsum(-1)
        upload = Upload()
        draw = upload.add(np.array(draws)[:, None], np.float64)
        draw_R1 = upload.to(p_RV.device)(draw) * total_RV[:, -1:]
        place_R1 = torch.searchsorted(total_RV, draw_R1, right=True).clamp(max=p_RV.shape[1] - 1)
        return token_RV.gather(1, place_R1)[:, 0]

    def _penalised(self, log_p_RV: Tensor, before: Sequence[Sequence[int]]) -> Tensor:
        if self.repetition_penalty == 1:
            return log_p_RV
        seen = [(row, token) for row, tokens in enumerate(before) for token in sorted(set(tokens))]
        if not seen:
            return log_p_RV
        upload = Upload()
        place = upload.add(np.array(seen).T)
        row_N, token_N = upload.to(log_p_RV.device)(place)
        return log_p_RV.index_put((row_N, token_N), log_p_RV[row_N, token_N] * self.repetition_penalty)
