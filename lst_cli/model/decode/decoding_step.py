"""The caches of a model's attentions, and the step that writes to them and reads them.

Shape legend: B rows (sequences), N tokens that are fed (of all rows, one after the other), M patches that these tokens
close, S places, L local width, D global width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lst_cli.model.decode.cache import Cache, KeyValueCache, Places, Queries
from lst_cli.model.decode.feed_plan import DecodingFeed
from lst_cli.model.model import Latent, SpeechTextModel
from lst_cli.model.upload import Sent, Upload

Ints = NDArray[np.integer]
Step: TypeAlias = Callable[[Sent, Tensor], Tensor]
"""From uploaded indices and token embeddings (N, L) to token states (N, L)."""


class ModelCaches:
    """Everything that a model keeps of its rows."""

    def __init__(self, model: SpeechTextModel, longest_patch: int, rows: int) -> None:
        """Start empty."""
        self._model = model
        self._longest_patch = longest_patch
        self._rows = rows
        self.token_room = self.patch_room = 0
        """Places for tokens in the local layers and for patches, in each row."""
        local = model.config.local
        encoder, decoder = (local.encoder_layers, local.decoder_layers) if local else (0, 0)
        self._global = [KeyValueCache(rows) for _ in range(model.config.layers)]
        self._pooled = Cache(rows)
        self._outputs = Cache(rows)
        self._encoder = [KeyValueCache(rows) for _ in range(encoder)]
        self._gather = [KeyValueCache(rows) for _ in range(encoder)]
        self._decoder = [KeyValueCache(rows) for _ in range(decoder)]
        self._spread = [KeyValueCache(rows) for _ in range(decoder)]

    def select(self, row_R: Tensor) -> ModelCaches:
        """A copy of the given rows, in this order."""
        chosen = ModelCaches(self._model, self._longest_patch, len(row_R))
        chosen.token_room, chosen.patch_room = self.token_room, self.patch_room
        chosen._pooled, chosen._outputs = self._pooled.select(row_R), self._outputs.select(row_R)
        for name in ("_global", "_encoder", "_gather", "_decoder", "_spread"):
            setattr(chosen, name, [cache.select(row_R) for cache in getattr(self, name)])
        return chosen

    def reserve(self, tokens: int, patches: int) -> bool:
        """Make room for this many places in each row; returns whether any buffer was reallocated."""
        if tokens <= self.token_room and patches <= self.patch_room:
            return False
        self.token_room, self.patch_room = max(tokens, self.token_room), max(patches, self.patch_room)
        by_token: list[Cache | KeyValueCache] = [self._pooled, *self._encoder, *self._gather, *self._decoder]
        by_patch: list[Cache | KeyValueCache] = [self._outputs, *self._global]
        for cache in by_token:
            cache.reserve(self.token_room)
        for cache in by_patch:
            cache.reserve(self.patch_room)
        for memory in self._spread:
            memory.reserve(self.patch_room * self._model.config.queries)
        return True

    def stage(self, feed: DecodingFeed, upload: Upload, *, static: bool) -> Step:
        """Upload the inputs of a step, and return the step."""
        if isinstance(self._model, Latent):
            return self._stage_latent(self._model, feed, upload, static=static)
        return self._stage_global(feed.row_N, feed.place_N, upload, static=static)

    def _stage_global(self, row_M: Ints, place_M: Ints, upload: Upload, *, static: bool) -> Step:
        """The global transformer over newly closed patches."""
        if not len(row_M):
            return lambda sent, x_MD: x_MD
        places = Places.stage(row_M, place_M, upload)
        queries = Queries.stage(
            row_M,
            np.zeros_like(place_M),
            place_M,
            upload,
            all_rows=self._rows,
            group_N=np.arange(len(row_M)) if static else None,
            room=self.patch_room if static else None,
        )

        def step(sent: Sent, x_MD: Tensor) -> Tensor:
            new, seen = places(sent), queries(sent)
            attends = [cache.over(new, seen) for cache in self._global]
            out_MD: Tensor = self._model.global_transformer(x_MD, new.place_N, attends)
            return out_MD

        return step

    def _stage_latent(self, model: Latent, feed: DecodingFeed, upload: Upload, *, static: bool) -> Step:
        local, text = np.flatnonzero(feed.local_N), np.flatnonzero(~feed.local_N)
        row_N, place_N = feed.row_N[local], feed.place_N[local]
        tokens = Places.stage(row_N, place_N, upload)
        window = Queries.stage(
            row_N,
            np.maximum(0, place_N - model.local.window + 1),
            place_N,
            upload,
            all_rows=self._rows,
            room=self.token_room if static else None,
        )
        gather = self._stage_gather(model, feed, upload, static=static)
        run_global = self._stage_global(feed.row_M, feed.patch_M, upload, static=static)
        spread = self._stage_spread(model, feed, row_N, feed.last_closed_N[local], upload, static=static)
        chosen, rest, of_text = upload.add(local), upload.add(text), upload.add(feed.patch_N[text])

        def step(sent: Sent, x_NL: Tensor) -> Tensor:
            new, seen = tokens(sent), window(sent)
            local_NL = x_NL[sent(chosen)] if len(text) else x_NL
            states = model.encoder.token_states(local_NL, new.place_N, [c.over(new, seen) for c in self._encoder])
            global_MD = run_global(sent, gather(sent, x_NL, states, new))
            local_NL = spread(sent, states[-1], global_MD, new, seen)
            if not len(text):
                return local_NL
            out_NL = x_NL.new_empty(len(x_NL), local_NL.shape[1])
            out_NL[sent(chosen)] = local_NL
            out_NL[sent(rest)] = model.text_states(global_MD[sent(of_text)])
            return out_NL

        return step

    def _stage_gather(
        self, model: Latent, feed: DecodingFeed, upload: Upload, *, static: bool
    ) -> Callable[[Sent, Tensor, Sequence[Tensor], Places], Tensor]:
        """Vectors of the newly closed patches, from the states of their tokens."""
        local, text = np.flatnonzero(feed.local_M), np.flatnonzero(~feed.local_M)
        row_M, first_M, last_M = feed.row_M[local], feed.first_M[local], feed.last_M[local]
        longest = self._longest_patch if static else int((last_M - first_M).max(initial=0)) + 1
        inside_MS = np.arange(longest) <= (last_M - first_M)[:, None]
        k = model.encoder.queries
        queries = Queries.stage(
            np.repeat(row_M, k),
            np.repeat(feed.oldest_M[local], k),
            np.repeat(last_M, k),
            upload,
            all_rows=self._rows,
            group_N=np.repeat(np.arange(len(row_M)), k) if static else None,
            room=self.token_room if static else None,
        )
        row, inside, place = (
            upload.add(array)
            for array in (row_M[:, None], inside_MS, np.where(inside_MS, first_M[:, None] + np.arange(longest), 0))
        )
        chosen, rest, of_text = upload.add(local), upload.add(text), upload.add(feed.token_M[text])

        def vectors(sent: Sent, x_NL: Tensor, states: Sequence[Tensor], new: Places) -> Tensor:
            pooled_BSL = self._pooled.write(new.row_N, new.place_N, states[0])
            token_MSL = pooled_BSL[sent(row), sent(place)]
            weight_MS = sent(inside).to(token_MSL.dtype)
            mean_ML = (token_MSL * weight_MS[..., None]).sum(1) / weight_MS.sum(1, keepdim=True)
            seen = queries(sent)
            local_MD = model.encoder.patches(mean_ML, states, [cache.over(new, seen) for cache in self._gather])
            if not len(text):
                return local_MD
            out_MD = local_MD.new_empty(len(feed.row_M), local_MD.shape[1])
            out_MD[sent(chosen)] = local_MD
            out_MD[sent(rest)] = model.text_vectors(x_NL[sent(of_text)])
            return out_MD

        return vectors

    def _stage_spread(
        self, model: Latent, feed: DecodingFeed, row_N: Ints, last_closed_N: Ints, upload: Upload, *, static: bool
    ) -> Callable[[Sent, Tensor, Tensor, Places, Queries], Tensor]:
        """States of the new tokens, from their own and from the closed patches."""
        last = upload.add(last_closed_N)
        if not self._decoder:
            patches = Places.stage(feed.row_M, feed.patch_M, upload)

            def taken(sent: Sent, x_NL: Tensor, global_MD: Tensor, tokens: Places, window: Queries) -> Tensor:
                new, last_N = patches(sent), sent(last)
                outputs_BPD = self._outputs.write(new.row_N, new.place_N, global_MD)
                return outputs_BPD[tokens.row_N, last_N.clamp(min=0)] * (last_N >= 0)[:, None]

            return taken
        k = model.decoder.queries
        place_S = (feed.patch_M[:, None] * k + np.arange(k)).reshape(-1)
        memory = Places.stage(np.repeat(feed.row_M, k), place_S, upload)
        closed = Queries.stage(
            row_N,
            np.maximum(0, last_closed_N - model.local.cross_window + 1) * k,
            last_closed_N * k + k - 1,
            upload,
            all_rows=self._rows,
            room=self.patch_room * k if static else None,
        )

        def decoded(sent: Sent, x_NL: Tensor, global_MD: Tensor, tokens: Places, window: Queries) -> Tensor:
            new, seen = memory(sent), closed(sent)
            out_NL: Tensor = model.decoder(
                x_NL,
                global_MD,
                tokens.place_N,
                sent(last),
                [cache.over(new, seen) for cache in self._spread],
                [cache.over(tokens, window) for cache in self._decoder],
            )
            return out_NL

        return decoded
