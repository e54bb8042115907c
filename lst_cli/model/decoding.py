"""Incremental decoding: feed tokens, get what comes next; the global transformer runs once per closed patch.

Many sequences are decoded side by side, each at its own place in its own patch. Feeding a prompt, one sampled token
or a whole continuation is the same operation. Patches are static, and closed as under causal boundaries: a token that
is not yet known can't close a patch.

Shape legend: B rows (sequences), R rows that are fed, N tokens that are fed (of all rows, one after the other),
M patches that these tokens close, L local width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lst_cli.model.cache import Cache, KeyValueCache, Places, Queries
from lst_cli.model.loss import log_probabilities
from lst_cli.model.model import Baseline, Latent, SpeechTextModel
from lst_cli.patching.static import static
from lst_cli.patching.stream import TokenStream
from lst_cli.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class _Feed:
    """Which tokens a feed adds and which patches it closes."""

    row_N: NDArray[np.integer]
    place_N: NDArray[np.integer]
    """Place of each token in its sequence."""
    last_closed_N: NDArray[np.integer]
    """The last patch of its sequence that each token may use; -1 for none."""
    row_M: NDArray[np.integer]
    patch_M: NDArray[np.integer]
    """Place of each closed patch in its sequence."""
    first_M: NDArray[np.integer]
    last_M: NDArray[np.integer]
    """Its first and last token."""
    final_R: NDArray[np.integer]
    """Index of each row's last token among the N."""


class DecodingState:
    """The caches of B sequences. Start with none fed; then :meth:`feed`, :meth:`score`, :meth:`select`."""

    def __init__(self, model: SpeechTextModel, vocabulary: Vocabulary, patch_size: int, rows: int) -> None:
        self.model = model
        self.vocabulary = vocabulary
        self.patch_size = 1 if isinstance(model, Baseline) else patch_size
        self.rows = rows
        self.global_positions = 0
        """Positions that the global transformer has computed so far, over all rows."""
        self._tokens_B = np.zeros(rows, dtype=np.int64)
        self._patches_B = np.zeros(rows, dtype=np.int64)
        """Closed patches of each row."""
        self._open_B = np.zeros(rows, dtype=np.int64)
        """Tokens of each row since its last closed patch."""
        self._first_M = Cache(rows)
        """First token of each patch."""
        self._final_BL: Tensor | None = None
        """State of each row's last token."""
        config = model.config
        self._global = [KeyValueCache(rows) for _ in range(config.layers)]
        encoder, decoder = (config.local.encoder_layers, config.local.decoder_layers) if config.local else (0, 0)
        self._pooled = Cache(rows)
        self._outputs = Cache(rows)
        self._encoder = [KeyValueCache(rows) for _ in range(encoder)]
        self._gather = [KeyValueCache(rows) for _ in range(encoder)]
        self._decoder = [KeyValueCache(rows) for _ in range(decoder)]
        self._spread = [KeyValueCache(rows) for _ in range(decoder)]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens fed to each row so far."""
        return np.array(self._tokens_B)

    @property
    def positions(self) -> NDArray[np.int64]:
        """Positions that the global transformer has computed of each row so far, those it was copied with included."""
        return np.array(self._patches_B)

    @torch.no_grad()
    def feed(self, rows: NDArray[np.integer], tokens: Sequence[NDArray[np.integer]]) -> Tensor:
        """Append tokens (at least one each) to some rows, named in rising order; return logits (R, V) of what follows.

        :raises ValueError: a row gets no token, or the rows are not in rising order.
        """
        states_NL, final_R = self._advance(rows, tokens)
        logits_RV: Tensor = self.model.head(states_NL[final_R])
        return logits_RV

    @torch.no_grad()
    def score(self, rows: NDArray[np.integer], tokens: Sequence[NDArray[np.integer]]) -> list[Tensor]:
        """Append tokens to some rows and return, row by row, the log-probability of each.

        :raises ValueError: as for :meth:`feed`, or a row has no token yet that could predict the first one.
        """
        if not self._tokens_B[rows].all() or self._final_BL is None:
            raise ValueError("a row that was fed nothing predicts nothing")
        before_RL = self._final_BL[torch.from_numpy(rows)]
        states_NL, final_R = self._advance(rows, tokens)
        predicting, start = [], 0
        for before_L, stop in zip(before_RL, final_R + 1, strict=True):
            predicting += [before_L[None], states_NL[start : stop - 1]]
            start = stop
        log_p_NV = log_probabilities(self.model.head(torch.cat(predicting)))
        target_N = torch.from_numpy(np.concatenate(tokens).astype(np.int64)).to(log_p_NV.device)
        chosen_N = log_p_NV.gather(1, target_N[:, None])[:, 0]
        return list(torch.split(chosen_N, [len(row) for row in tokens]))

    def select(self, rows: NDArray[np.integer]) -> DecodingState:
        """A new state with copies of the given rows, in this order; for beams and for prompts that are shared."""
        chosen = DecodingState(self.model, self.vocabulary, self.patch_size, len(rows))
        for name in ("_tokens_B", "_patches_B", "_open_B"):
            setattr(chosen, name, getattr(self, name)[rows])
        row_R = torch.from_numpy(rows.astype(np.int64))
        for name in ("_first_M", "_pooled", "_outputs"):
            setattr(chosen, name, getattr(self, name).select(row_R))
        for name in ("_global", "_encoder", "_gather", "_decoder", "_spread"):
            setattr(chosen, name, [cache.select(row_R) for cache in getattr(self, name)])
        chosen._final_BL = self._final_BL[row_R] if self._final_BL is not None else None
        return chosen

    def _advance(
        self, rows: NDArray[np.integer], tokens: Sequence[NDArray[np.integer]]
    ) -> tuple[Tensor, NDArray[np.integer]]:
        """Take in the tokens; return their states (N, L) and the index of each row's last."""
        if not all(len(row) for row in tokens) or (np.diff(rows) <= 0).any():
            raise ValueError("each row needs at least one token, and rows must be in rising order")
        feed = self._plan(rows, tokens)
        device = self.model.embedding.weight.device
        ids_N = torch.from_numpy(np.concatenate(tokens).astype(np.int64)).to(device)
        x_NL = self.model.embedding(ids_N)
        states_NL = (
            self._latent(self.model, x_NL, feed, device)
            if isinstance(self.model, Latent)
            else self._global_step(x_NL, feed, device)
        )
        states_NL = self.model.norm(states_NL)
        if self._final_BL is None:
            self._final_BL = states_NL.new_zeros(self.rows, states_NL.shape[1])
        self._final_BL[torch.from_numpy(rows)] = states_NL[feed.final_R]
        self.global_positions += len(feed.row_M)
        return states_NL, feed.final_R

    def _plan(self, rows: NDArray[np.integer], tokens: Sequence[NDArray[np.integer]]) -> _Feed:
        """Cut each row's open patch and its new tokens into patches, and count them in."""
        count_R = np.array([len(row) for row in tokens])
        open_R = self._open_B[rows]
        length_R = open_R + count_R
        row_T = np.repeat(np.arange(len(rows)), length_R)
        place_T = np.arange(len(row_T)) - (np.cumsum(length_R) - length_R)[row_T]
        new_T = place_T >= open_R[row_T]
        # Only speech leaves a patch open, so the tokens of an open patch are speech tokens.
        speech_T = np.ones(len(row_T), dtype=np.bool_)
        speech_T[new_T] = self.vocabulary.is_speech(np.concatenate(tokens))
        patches = static(TokenStream(speech_T=speech_T, document_T=row_T), self.patch_size)
        opened_T = np.cumsum(patches.opens_T)
        first_of_row_R = opened_T[np.cumsum(length_R) - length_R]
        patch_T = self._patches_B[rows][row_T] + opened_T - first_of_row_R[row_T]
        token_T = (self._tokens_B[rows] - open_R)[row_T] + place_T
        last_closed_T = patch_T - 1 + patches.closes_T
        final_R = np.cumsum(length_R) - 1
        starts = np.flatnonzero(patches.opens_T)
        last = np.append(starts[1:], len(row_T)) - 1
        closed = patch_T[starts] <= last_closed_T[final_R][row_T[starts]]
        starts, last = starts[closed], last[closed]
        self._patches_B[rows] = last_closed_T[final_R] + 1
        self._open_B[rows] = np.where(patches.closes_T[final_R], 0, self._tail(patches.opens_T, final_R))
        self._tokens_B[rows] += count_R
        return _Feed(
            row_N=rows[row_T[new_T]],
            place_N=token_T[new_T],
            last_closed_N=last_closed_T[new_T],
            row_M=rows[row_T[starts]],
            patch_M=patch_T[starts],
            first_M=token_T[starts],
            last_M=token_T[last],
            final_R=np.cumsum(count_R) - 1,
        )

    @staticmethod
    def _tail(opens_T: NDArray[np.bool_], final_R: NDArray[np.integer]) -> NDArray[np.integer]:
        """Tokens from the last opening up to each row's end."""
        index_T = np.arange(len(opens_T))
        length_T: NDArray[np.int64] = index_T - np.maximum.accumulate(np.where(opens_T, index_T, 0)) + 1
        final_length_R: NDArray[np.int64] = length_T[final_R]
        return final_length_R

    def _global_step(self, x_MD: Tensor, feed: _Feed, device: torch.device) -> Tensor:
        """Run the global transformer over newly closed patches."""
        if not len(feed.row_M):
            return x_MD
        places = Places.of(feed.row_M, feed.patch_M, device)
        queries = Queries.of(feed.row_M, np.zeros_like(feed.patch_M), feed.patch_M, device)
        attends = [cache.over(places, queries) for cache in self._global]
        out_MD: Tensor = self.model.global_transformer(x_MD, places.place_N, attends)
        return out_MD

    def _latent(self, model: Latent, x_NL: Tensor, feed: _Feed, device: torch.device) -> Tensor:
        tokens = Places.of(feed.row_N, feed.place_N, device)
        low_N = np.maximum(0, feed.place_N - model.local.window + 1)
        window = Queries.of(feed.row_N, low_N, feed.place_N, device)
        states = model.encoder.token_states(x_NL, tokens.place_N, [c.over(tokens, window) for c in self._encoder])
        patch_MD = self._gather_patches(model, states, tokens, feed, device)
        global_MD = self._global_step(patch_MD, feed, device)
        return self._spread_patches(model, states[-1], global_MD, tokens, window, feed, device)

    def _gather_patches(
        self, model: Latent, states: Sequence[Tensor], tokens: Places, feed: _Feed, device: torch.device
    ) -> Tensor:
        """Vectors of the newly closed patches, from the states of their tokens."""
        pooled_BSL = self._pooled.write(tokens.row_N, tokens.place_N, states[0])
        patches = Places.of(feed.row_M, feed.patch_M, device)
        first_N = torch.from_numpy(feed.first_M.astype(np.int64)).to(device)
        first_BP = self._first_M.write(patches.row_N, patches.place_N, first_N)
        longest = int((feed.last_M - feed.first_M).max(initial=0)) + 1
        offset_S = np.arange(longest)
        inside_MS = offset_S <= (feed.last_M - feed.first_M)[:, None]
        place_MS = torch.from_numpy(np.where(inside_MS, feed.first_M[:, None] + offset_S, 0)).to(device)
        token_MSL = pooled_BSL[patches.row_N[:, None], place_MS]
        weight_MS = torch.from_numpy(inside_MS).to(device, token_MSL.dtype)
        mean_ML = (token_MSL * weight_MS[..., None]).sum(1) / weight_MS.sum(1, keepdim=True)
        oldest = torch.from_numpy(np.maximum(0, feed.patch_M - model.local.pooled_patches + 1)).to(device)
        low_M = first_BP[patches.row_N, oldest].cpu().numpy()
        k = model.encoder.queries
        row_Q, low_Q, last_Q = (np.repeat(a, k) for a in (feed.row_M, low_M, feed.last_M))
        queries = Queries.of(row_Q, low_Q, last_Q, device)
        return model.encoder.patches(mean_ML, states, [cache.over(tokens, queries) for cache in self._gather])

    def _spread_patches(
        self,
        model: Latent,
        x_NL: Tensor,
        global_MD: Tensor,
        tokens: Places,
        window: Queries,
        feed: _Feed,
        device: torch.device,
    ) -> Tensor:
        """States of the new tokens, from their own and from the closed patches."""
        if not self._decoder:
            patches = Places.of(feed.row_M, feed.patch_M, device)
            outputs_BPD = self._outputs.write(patches.row_N, patches.place_N, global_MD)
            last_N = torch.from_numpy(feed.last_closed_N).to(device)
            return outputs_BPD[tokens.row_N, last_N.clamp(min=0)] * (last_N >= 0)[:, None]
        k = model.decoder.queries
        place_S = (feed.patch_M[:, None] * k + np.arange(k)).reshape(-1)
        memory = Places.of(np.repeat(feed.row_M, k), place_S, device)
        low_N = np.maximum(0, feed.last_closed_N - model.local.cross_window + 1) * k
        closed = Queries.of(feed.row_N, low_N, feed.last_closed_N * k + k - 1, device)
        out_NL: Tensor = model.decoder(
            x_NL,
            global_MD,
            tokens.place_N,
            torch.from_numpy(feed.last_closed_N).to(device),
            [cache.over(memory, closed) for cache in self._spread],
            [cache.over(tokens, window) for cache in self._decoder],
        )
        return out_NL
