"""Continuing prompts token by token: greedy or sampled, text or speech, in batches.

Legend: R rows (prompts) that are still going, V vocabulary, K candidates of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lst_cli.finite import check_finite_outputs
from lst_cli.hashing import uniform
from lst_cli.inference.sampling import Sampling
from lst_cli.model.decode.decoding import DecodingState
from lst_cli.shards.schema import Modality

if TYPE_CHECKING:
    from lst_cli.model_artifact.card import LoadedModel
    from lst_cli.text.vocabulary import Vocabulary

ROWS = 32
"""Prompts in one batch."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The tokens to continue."""

    tokens: NDArray[np.int32]
    """Ends with the marker of the continuation's modality, or inside such a segment."""
    limit: int
    """Most tokens to add."""
    key: int = 0
    """Names this prompt among the draws of one seed: the same in any batch."""


@dataclass(kw_only=True)
class Continuation:
    """The continuation of a prompt."""

    tokens: list[int] = field(default_factory=list)
    """Without the end."""
    log_prob: float = 0.0
    """Sum over the tokens and the end, under the model itself (before temperature and filters)."""
    ended: bool = False
    """By the end of the document; False where the limit stopped it."""
    context_positions: int = 0
    """Positions that the global transformer computed for the prompt (Table 5 of the paper: context units)."""
    new_positions: int = 0
    """Positions computed for the continuation (generation units), of a beam for the best one alone; what closed no
    patch took none."""


def allowed_tokens(vocabulary: Vocabulary, modality: Modality) -> NDArray[np.bool_]:
    """Mask of allowed ids (V): text tokens or speech tokens, and the end. Never markers or special tokens."""
    allowed_V = np.zeros(vocabulary.size, dtype=np.bool_)
    if modality == "text":
        allowed_V[: vocabulary.pieces] = True
        allowed_V[list(vocabulary.specials)] = False
    else:
        allowed_V[vocabulary.speech_start :] = True
    allowed_V[vocabulary.eos] = True
    return allowed_V


def generate(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    modality: Modality,
    sampling: Sampling | None = None,
    *,
    rows: int = ROWS,
    on_done: Callable[[int, Continuation], None] | None = None,
    on_token: Callable[[int, int], None] | None = None,
) -> list[Continuation]:
    """Continue each prompt until its end or its limit.

    A continuation does not depend on the other prompts of the batch (except for rounding).

    :param sampling: None takes the likeliest token each time.
    :param rows: prompts to decode in one batch.
    :param on_done: is called with each prompt's index and continuation when it is complete.
    :param on_token: is called with each new token and the index of its prompt.
    """
    done: list[Continuation] = [Continuation() for _ in prompts]
    order = by_length(prompts)
    allowed_V = torch.from_numpy(allowed_tokens(loaded.card.vocabulary, modality)).to(loaded.device)
    for start in range(0, len(order), rows):
        batch = [_Row(index, prompts[index], done[index]) for index in order[start : start + rows]]
        _decode(loaded, batch, allowed_V, sampling or Sampling(), on_token)
        if on_done is not None:
            for row in batch:
                on_done(row.index, row.done)
    return done


def by_length(prompts: Sequence[Prompt]) -> list[int]:
    """Indices of prompts so that those of like length stand together, the longest first: memory runs out early
    or not at all.
    """
    return sorted(range(len(prompts)), key=lambda index: -(len(prompts[index].tokens) + prompts[index].limit))


@dataclass(frozen=True)
class _Row:
    """A prompt of a batch."""

    index: int
    prompt: Prompt
    done: Continuation

    def take(self, token: int, log_p: float, eos: int) -> bool:
        """Add a token; whether the row continues."""
        self.done.log_prob += log_p
        if token == eos:
            self.done.ended = True
            return False
        self.done.tokens.append(token)
        return len(self.done.tokens) < self.prompt.limit


def _decode(
    loaded: LoadedModel,
    batch: Sequence[_Row],
    allowed_V: Tensor,
    sampling: Sampling,
    on_token: Callable[[int, int], None] | None,
) -> None:
    """Decode one batch, filling in the continuations."""
    card = loaded.card
    going = [row for row in batch if row.prompt.limit > 0]
    if not going:
        return
    state = DecodingState(loaded.model, card.vocabulary, card.rule, len(going))
    # The row of the state that each row still going has.
    place_R: NDArray[np.integer] = np.arange(len(going))
    logits_RV = state.feed(place_R, [row.prompt.tokens for row in going])
    for row, positions in zip(going, state.positions, strict=True):
        row.done.context_positions = int(positions)
    while True:
        chosen_R, log_p_R = _choose(logits_RV, allowed_V, going, sampling)
        keeps_R = np.zeros(len(going), dtype=np.bool_)
        for at, (row, token, log_p) in enumerate(zip(going, chosen_R, log_p_R, strict=True)):
            keeps_R[at] = row.take(token, log_p, card.vocabulary.eos)
            if on_token is not None and not row.done.ended:
                on_token(row.index, token)
        going = [row for row, keeps in zip(going, keeps_R, strict=True) if keeps]
        place_R = place_R[keeps_R]
        if not going:
            return
        if 2 * len(going) <= state.rows:
            state, place_R = state.select(place_R), np.arange(len(going))
        logits_RV = state.feed(place_R, [np.array([row.done.tokens[-1]]) for row in going])
        for row, positions in zip(going, state.positions[place_R], strict=True):
            row.done.new_positions = int(positions) - row.done.context_positions


def _choose(
    logits_RV: Tensor, allowed_V: Tensor, rows: Sequence[_Row], sampling: Sampling
) -> tuple[list[int], list[float]]:
    """The next token of each row, and its log-probability under the model."""
    log_p_RV = logits_RV.float().log_softmax(-1)
    masked_RV = log_p_RV.masked_fill(~allowed_V, float("-inf"))
    if sampling.greedy:
        chosen_R = masked_RV.argmax(-1)
    else:
        draws = [float(uniform(sampling.seed, row.prompt.key, len(row.done.tokens))) for row in rows]
        chosen_R = sampling.choose(masked_RV, [row.done.tokens for row in rows], draws)
    chosen, log_p = to_host(chosen_R, log_p_RV.gather(1, chosen_R[:, None])[:, 0])
    check_finite_outputs(log_p, "log-probabilities")
    return [int(token) for token in chosen], log_p


def to_host(*values: Tensor) -> list[list[float]]:
    """Tensors of one shape as numbers, in one copy: a step of decoding waits for the device only here."""
    found: list[list[float]] = torch.stack([value.double() for value in values]).tolist()
    return found
