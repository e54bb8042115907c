"""Beam search: the likeliest continuation among several parallel hypotheses.

Legend: R rows of the state (hypotheses of all prompts), V vocabulary.
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
from lst_cli.inference.generate import ROWS, Continuation, Prompt, allowed_tokens, by_length, to_host
from lst_cli.model.decode.decoding import DecodingState
from lst_cli.model.upload import Upload
from lst_cli.shards.schema import Modality

if TYPE_CHECKING:
    from lst_cli.model_artifact.card import LoadedModel


@dataclass(frozen=True)
class _Hypothesis:
    row: int
    """Row of the state that has been fed all tokens but the last."""
    tokens: tuple[int, ...]
    log_prob: float


@dataclass
class _Search:
    """The search for one prompt."""

    index: int
    prompt: Prompt
    beams: int
    length_penalty: float
    live: list[_Hypothesis]
    context_positions: int = 0
    """Positions that the global transformer computed for the prompt."""
    best: Continuation | None = None
    best_score: float = field(default=-float("inf"))

    def worth(self, log_prob: float, tokens: int) -> float:
        """The score by which hypotheses are compared; the end counts as a token."""
        return log_prob / float((tokens + 1) ** self.length_penalty)

    def extend(self, candidates: Sequence[_Hypothesis], eos: int, positions_R: NDArray[np.int64]) -> None:
        """Process the candidates of one step, best first: ends are stored, the best others continue.

        :param positions_R: positions that the global transformer has computed of each row of the state.
        """
        live: list[_Hypothesis] = []
        for candidate in candidates:
            if candidate.tokens[-1] == eos:
                # An end far down in the list only means that there was no better candidate.
                if len(live) < self.beams:
                    self._finish(candidate.tokens[:-1], candidate, positions_R, ended=True)
            elif len(live) < self.beams:
                live.append(candidate)
        if live and len(live[0].tokens) >= self.prompt.limit:
            if self.best is None:
                self._finish(live[0].tokens, live[0], positions_R, ended=False)
            live = []
        # A hypothesis only gets less likely: at best it keeps its sum and grows to the limit.
        hope = max((self.worth(each.log_prob, self.prompt.limit) for each in live), default=-float("inf"))
        self.live = [] if hope <= self.best_score else live

    def _finish(self, tokens: tuple[int, ...], of: _Hypothesis, positions_R: NDArray[np.int64], *, ended: bool) -> None:
        score = self.worth(of.log_prob, len(tokens))
        if score > self.best_score or self.best is None:
            self.best = Continuation(
                tokens=list(tokens),
                log_prob=of.log_prob,
                ended=ended,
                context_positions=self.context_positions,
                new_positions=int(positions_R[of.row]) - self.context_positions,
            )
            self.best_score = score


def beam_search(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    modality: Modality,
    *,
    beams: int,
    length_penalty: float = 1.0,
    rows: int = ROWS,
    on_done: Callable[[int, Continuation], None] | None = None,
) -> list[Continuation]:
    """Continue each prompt with the likeliest of the sequences that a beam of hypotheses leads to.

    :param beams: hypotheses of each prompt that are followed.
    :param length_penalty: the log-probability is divided by this power of the length (with the end): 0 compares sums,
        which favours short ones, 1 compares means (Wu et al. 2016 have 0.6 to 1).
    :param rows: hypotheses of all prompts in one batch.
    :param on_done: is called with each prompt's index and continuation when it is complete.
    """
    done: list[Continuation] = [Continuation() for _ in prompts]
    allowed_V = torch.from_numpy(allowed_tokens(loaded.card.vocabulary, modality)).to(loaded.device)
    order = [index for index in by_length(prompts) if prompts[index].limit > 0]
    step = max(1, rows // beams)
    for start in range(0, len(order), step):
        batch = [
            _Search(index, prompts[index], beams, length_penalty, [_Hypothesis(row, (), 0.0)])
            for row, index in enumerate(order[start : start + step])
        ]
        _decode(loaded, batch, allowed_V)
        for search in batch:
            assert search.best is not None
            done[search.index] = search.best
            if on_done is not None:
                on_done(search.index, search.best)
    return done


def _decode(loaded: LoadedModel, batch: Sequence[_Search], allowed_V: Tensor) -> None:
    card = loaded.card
    state = DecodingState(loaded.model, card.vocabulary, card.rule, len(batch))
    logits_RV = state.feed(np.arange(len(batch)), [search.prompt.tokens for search in batch])
    for search, positions in zip(batch, state.positions, strict=True):
        search.context_positions = int(positions)
    while True:
        log_p_RV = logits_RV.float().log_softmax(-1).masked_fill(~allowed_V, float("-inf"))
        going = [search for search in batch if search.live]
        for search, candidates in zip(going, _candidates(going, log_p_RV), strict=True):
            search.extend(candidates, card.vocabulary.eos, state.positions)
        live = [(search, place) for search in batch for place in range(len(search.live))]
        if not live:
            return
        parents_R = np.array([search.live[place].row for search, place in live])
        if not np.array_equal(parents_R, np.arange(state.rows)):
            state = state.select(parents_R)
        for row, (search, place) in enumerate(live):
            old = search.live[place]
            search.live[place] = _Hypothesis(row, old.tokens, old.log_prob)
        last = [np.array([search.live[place].tokens[-1]]) for search, place in live]
        logits_RV = state.feed(np.arange(len(live)), last)


def _candidates(batch: Sequence[_Search], log_p_RV: Tensor) -> list[list[_Hypothesis]]:
    """For each prompt the likeliest ways to extend its hypotheses by one token: twice as many as beams, best first."""
    size, upload = log_p_RV.shape[1], Upload()
    live = [each for search in batch for each in search.live]
    rows, sums = (
        upload.add(np.array([each.row for each in live])),
        upload.add(np.array([each.log_prob for each in live]), np.float32),
    )
    sent = upload.to(log_p_RV.device)
    totals = torch.split(log_p_RV[sent(rows)] + sent(sums)[:, None], [len(search.live) for search in batch])
    top = [
        total_HV.flatten().topk(min(2 * search.beams, total_HV.numel()))
        for search, total_HV in zip(batch, totals, strict=True)
    ]
    scores, places = to_host(torch.cat([each.values for each in top]), torch.cat([each.indices for each in top]))
    check_finite_outputs(scores, "log-probabilities")
    found, start = [], 0
    for search, each in zip(batch, top, strict=True):
        stop = start + len(each.values)
        extended = []
        for score, place in zip(scores[start:stop], map(int, places[start:stop]), strict=True):
            if score > -float("inf"):
                old = search.live[place // size]
                extended.append(_Hypothesis(old.row, (*old.tokens, place % size), score))
        found.append(extended)
        start = stop
    return found
