"""Incremental decoding: feed tokens, get next-token logits; the global transformer runs once per closed patch.

Many sequences are decoded side by side, each at its own place in its own patch. Feeding a prompt, one sampled token
or a whole continuation is the same operation. Patches are formed by a causal rule, and closed as
under causal boundaries: a token that is not yet known can't close a patch.

The host works out what goes where and sends it in one copy. On a GPU a step of one token a row is replayed as a CUDA
graph (:mod:`lst_cli.model.decode.step_graph`).

Shape legend: B rows (sequences), R rows that are fed, N tokens that are fed (of all rows, one after the other),
M patches that these tokens close, L local width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lst_cli.model.decode.cache import room_for
from lst_cli.model.decode.decoding_step import ModelCaches
from lst_cli.model.decode.feed_plan import RowProgress
from lst_cli.model.decode.step_graph import Outputs, Recorder, StepGraphs, cuda_recorder
from lst_cli.model.loss import log_probabilities
from lst_cli.model.model import Baseline, Latent, SpeechTextModel
from lst_cli.model.upload import Sent, Upload
from lst_cli.patching.static import Static
from lst_cli.patching.stream import Rule
from lst_cli.text.vocabulary import Vocabulary

Ints = NDArray[np.integer]


class DecodingState:
    """The caches of B sequences. Start with none fed; then :meth:`feed`, :meth:`score`, :meth:`select`."""

    def __init__(
        self,
        model: SpeechTextModel,
        vocabulary: Vocabulary,
        rule: Rule,
        rows: int,
        recorder: Recorder | None = None,
    ) -> None:
        """Start with rows that were fed nothing.

        :param rule: cuts speech into patches; a baseline has none of more than one token.
        :param recorder: records steps, to replay them; by default CUDA graphs on a GPU, and nothing on a CPU.
        """
        self.model = model
        self.vocabulary = vocabulary
        self.rule: Rule = Static(1) if isinstance(model, Baseline) else rule
        self.rows = rows
        self.global_positions = 0
        """Positions that the global transformer has computed so far, over all rows."""
        self._device = model.embedding.weight.device
        local = model.config.local
        self._progress = RowProgress(
            vocabulary,
            self.rule,
            local.pooled_patches if local else 1,
            rows,
            bypass=local is not None and local.text == "bypass",
        )
        if recorder is None and self._device.type == "cuda":
            recorder = cuda_recorder(self._device)
        self.graphs = StepGraphs(recorder) if recorder is not None else None
        self._caches = ModelCaches(model, self.rule.longest, rows)
        self._final_BL: Tensor | None = None
        """State of each row's last token."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens fed to each row so far."""
        return np.array(self._progress.tokens_B)

    @property
    def positions(self) -> NDArray[np.int64]:
        """Positions that the global transformer has computed of each row so far, those it was copied with included."""
        return np.array(self._progress.patches_B)

    @torch.no_grad()
    def feed(self, rows: Ints, tokens: Sequence[Ints]) -> Tensor:
        """Append tokens (at least one each) to some rows, named in rising order; return logits (R, V) of what follows.

        :raises ValueError: a row gets no token, or the rows are not in rising order.
        """
        _, logits_RV, _ = self._advance(rows, tokens, all_logits=False)
        return logits_RV

    @torch.no_grad()
    def score(self, rows: Ints, tokens: Sequence[Ints]) -> list[Tensor]:
        """Append tokens to some rows and return, row by row, the log-probability of each.

        :raises ValueError: as for :meth:`feed`, or a row has no token yet that could predict the first one.
        """
        if not self._progress.tokens_B[rows].all():
            raise ValueError("a row without tokens has no prediction")
        before_RV, logits_NV, ids_N = self._advance(rows, tokens, all_logits=True)
        lengths = [len(row) for row in tokens]
        chosen = []
        for before_V, logits_nV, ids_n in zip(
            before_RV, torch.split(logits_NV, lengths), torch.split(ids_N, lengths), strict=True
        ):
            log_p_nV = log_probabilities(torch.cat((before_V[None], logits_nV[:-1])))
            chosen.append(log_p_nV.gather(1, ids_n[:, None])[:, 0])
        return chosen

    def select(self, rows: Ints) -> DecodingState:
        """A new state with copies of the given rows, in this order; for beams and for prompts that are shared."""
        recorder = self.graphs.recorder if self.graphs is not None else None
        chosen = DecodingState(self.model, self.vocabulary, self.rule, len(rows), recorder)
        chosen._progress = self._progress.select(rows)
        upload = Upload()
        number = upload.add(rows)
        row_R = upload.to(self._device)(number)
        chosen._caches = self._caches.select(row_R)
        chosen._final_BL = self._final_BL[row_R] if self._final_BL is not None else None
        return chosen

    def _advance(self, rows: Ints, tokens: Sequence[Ints], *, all_logits: bool) -> Outputs:
        """Append the tokens.

        :returns: logits (R, V) after the rows' tokens before, logits of all tokens (N, V) or of each row's last
            (R, V), and the ids (N). The first is empty if only the last logits are asked for.
        """
        if not all(len(row) for row in tokens) or (np.diff(rows) <= 0).any():
            raise ValueError("each row needs at least one token, and rows must be in rising order")
        feed = self._progress.feed(rows, tokens)
        self.global_positions += len(feed.row_M)
        self._reserve()
        static = self.graphs is not None and feed.one_each and not all_logits
        if static:
            feed = feed.padded(self.rows, self._caches.token_room, self._caches.patch_room)
        upload, fill = Upload(), self.rows - len(rows) if static else 0
        ids, final, fed = (
            upload.add(array) for array in (feed.ids_N, np.pad(feed.final_R, (0, fill)), np.pad(rows, (0, fill)))
        )
        step = self._caches.stage(feed, upload, static=static)

        def work(sent: Sent) -> Outputs:
            states_NL = self.model.norm(step(sent, self.model.embedding(sent(ids))))
            logits = self.model.head(states_NL if static or all_logits else states_NL[sent(final)])
            return states_NL, logits, sent(ids), sent(final), sent(fed)

        if static and self.graphs is not None:
            patches = len(feed.row_M) if isinstance(self.model, Latent) else 0
            key = (patches, self._caches.token_room, self._caches.patch_room)
            outputs = self.graphs.run(key, upload, self._device, work)
        else:
            outputs = work(upload.to(self._device))
        states_NL, logits, ids_N, final_R, fed_R = outputs
        final_R, fed_R = final_R[: len(rows)], fed_R[: len(rows)]
        if self._final_BL is None:
            self._final_BL = states_NL.new_zeros(self.rows, states_NL.shape[1])
        before_RV = self.model.head(self._final_BL[fed_R]) if all_logits else logits[:0]
        self._final_BL[fed_R] = states_NL[final_R]
        return before_RV, logits[final_R] if fill else logits, ids_N

    def _reserve(self) -> None:
        """Make room for the rows' contents, and if steps are replayed, for one more place that is never read."""
        spare = int(self.graphs is not None)
        moved = self._caches.reserve(
            room_for(int(self._progress.locals_B.max()) + spare), room_for(int(self._progress.patches_B.max()) + spare)
        )
        if moved and self.graphs is not None:
            self.graphs.clear()
