"""Scoring endings that share a prompt: the prompt is encoded once for all its endings.

The model runs twice. First over the prompts, up to the last border of a patch, keeping the keys and values of every
attention. Then over what is left of each document, one for each ending. There every attention sees keys as if the
whole documents lay end to end (the *full* batch): the kept ones of the prompt, repeated for each of its endings, and
the new ones. So the masks are those of the full batch, for the rows of the second pass only.

Legend: T tokens and P positions of a batch, Q = P * k patch queries, S keys, H heads, E width of a head; L local and
D global width; d documents, q questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lst_cli.model.attention import Spans, attend
from lst_cli.model.batch import Bypass
from lst_cli.model.layers import Attend
from lst_cli.model.layout import (
    Bounds,
    DocumentAxis,
    closed_patches,
    last_closed_patch,
    local_part,
    patch_tokens,
)
from lst_cli.model.model import Latent, SpeechTextModel
from lst_cli.model_artifact.card import ModelCard
from lst_cli.patching.packed import IGNORE, Document, Packed, pack_documents
from lst_cli.patching.strategies import Cut

Bools = NDArray[np.bool_]
Ints = NDArray[np.integer]

_CHUNK = 256
"""Tokens per chunk of logits. On two cores, with 32,000 text tokens, 2,048 took 1.8 times as long."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A prompt and what may follow it, as token ids."""

    prompt_T: NDArray[np.int32]
    """Opened by its marker; never empty."""
    endings: tuple[NDArray[np.int32], ...]
    """Only these tokens are scored."""
    words: tuple[NDArray[np.int32], ...] | None = None
    """For aligned patches: the word of each token of the prompt, then of each ending; -1 for silence and text. A
    prompt's last patch ends with the prompt. None: cut as the model's card says."""

    def document(self, ending: int) -> Document:
        """The prompt with one of its endings."""
        return Document(
            tokens=np.concatenate([self.prompt_T, self.endings[ending]]),
            loss_from=len(self.prompt_T),
            words=None if self.words is None else np.concatenate([self.words[0], self.words[1 + ending]]),
            border=None if self.words is None else len(self.prompt_T),
        )

    def opening(self, length: int) -> Document:
        """The first tokens of the prompt."""
        words = None if self.words is None else self.words[0][:length]
        return Document(tokens=self.prompt_T[:length], words=words)


@dataclass(frozen=True, kw_only=True)
class PromptPlan:
    """Both passes over some questions."""

    shared: Packed | None
    """The prompts up to their last border of a patch; None if none has a border."""
    full: Packed
    """Every prompt with every ending, one document each."""
    second_T: Bools
    """Which tokens of the full batch belong to the second pass."""
    second_P: Bools
    source_T: Ints
    """Where each token of the full batch is computed: its row in the first pass, or after those, in the second."""
    source_P: Ints


def plan(questions: Sequence[Question], card: ModelCard) -> PromptPlan:
    """Plan both passes.

    :raises ValueError: some questions have words and others have not.
    """
    cut: Cut = "aligned" if any(question.words is not None for question in questions) else card.cut

    def pack(documents: list[Document]) -> Packed:
        return pack_documents(documents, card.vocabulary, card.patcher, cut)

    full = pack([question.document(ending) for question in questions for ending in range(len(question.endings))])
    endings_q = np.array([len(question.endings) for question in questions])
    question_d = np.repeat(np.arange(len(questions)), endings_q)
    place_T = DocumentAxis.of(full.document_T).position
    first_q = np.flatnonzero(place_T == 0)[np.cumsum(endings_q) - endings_q]
    # The second pass begins where the patch of the prompt's last token opens.
    last_q = first_q + np.array([len(question.prompt_T) - 1 for question in questions])
    cut_q = np.searchsorted(full.patch_T, full.patch_T[last_q]) - first_q
    second_T = place_T >= cut_q[question_d][full.document_T]
    second_P = second_T[np.diff(full.patch_T, prepend=-1) != 0]
    first_P_q = np.bincount(question_d[full.document_P[~second_P]], minlength=len(questions)) // endings_q
    prompts = [question.opening(length) for question, length in zip(questions, cut_q, strict=True)]
    return PromptPlan(
        shared=pack(prompts) if cut_q.any() else None,
        full=full,
        second_T=second_T,
        second_P=second_P,
        source_T=_sources(full.document_T, second_T, cut_q, question_d),
        source_P=_sources(full.document_P, second_P, first_P_q, question_d),
    )


def _sources(document: Ints, second: Bools, first_q: Ints, question_d: Ints) -> Ints:
    """Where each row of the full batch is computed; ``first_q`` says how many rows each question has in the first."""
    start_q = np.cumsum(first_q) - first_q
    in_first = start_q[question_d[document]] + DocumentAxis.of(document).position
    return np.where(second, first_q.sum() + np.cumsum(second) - 1, in_first)


class _LayerAttend:
    """Attention of one layer over the keys of the whole batch: those that an earlier run kept, and the new ones.

    An object with tensors, not a closure over the layer's number: so one compiled program serves all layers.
    """

    def __init__(self, spans: Spans, earlier: _LayerAttend | None, source_S: Tensor | None) -> None:
        self._spans = spans
        self._earlier = earlier.kept if earlier is not None else None
        self._source_S = source_S
        self.kept: tuple[Tensor, Tensor] | None = None

    def __call__(self, q_THE: Tensor, k_SHE: Tensor, v_SHE: Tensor) -> Tensor:
        if self._source_S is None:
            self.kept = k_SHE, v_SHE
        else:
            if self._earlier is not None:
                k_SHE, v_SHE = (torch.cat((kept, new)) for kept, new in zip(self._earlier, (k_SHE, v_SHE), strict=True))
            k_SHE, v_SHE = k_SHE[self._source_S], v_SHE[self._source_S]
        return attend(q_THE, k_SHE, v_SHE, self._spans)


class Pass:
    """One run of the model over chosen rows of a batch, next to rows that an earlier run has kept."""

    def __init__(self, packed: Packed, card: ModelCard, device: torch.device) -> None:
        """Run over all rows of a batch, keeping what attention needs of them."""
        self._packed = packed
        self._config = config = card.architecture
        self._local = local_part(packed, config, card.vocabulary)
        self._device = device
        self._rows_T: Bools = np.ones(len(packed.tokens_T), dtype=np.bool_)
        self._rows_P: Bools = np.ones(len(packed.document_P), dtype=np.bool_)
        self._source: dict[str, Tensor] = {}
        self._earlier: Pass | None = None
        self._kept: dict[str, list[_LayerAttend]] = {}
        self._outputs_PD: Tensor | None = None

    @classmethod
    def second(cls, made: PromptPlan, first: Pass | None, card: ModelCard, device: torch.device) -> Pass:
        """Run over the rows of a plan's second pass, next to those that the first has kept."""
        run = cls(made.full, card, device)
        run._rows_T, run._rows_P = made.second_T, made.second_P
        k = card.architecture.queries
        queries_Q = (made.source_P[:, None] * k + np.arange(k)).ravel()
        # Both runs' tokens one after the other, and which of them the local layers see.
        token_T = run._local.token_T
        local = np.concatenate([first._local.token_T if first is not None else token_T[:0], token_T[made.second_T]])
        local_T = (np.cumsum(local) - 1)[made.source_T[token_T]]
        run._source = {
            name: run._tensor(source)
            for name, source in (("tokens", local_T), ("positions", made.source_P), ("queries", queries_Q))
        }
        run._earlier = first
        return run

    def states(self, model: SpeechTextModel) -> Tensor:
        """Normalised states (T, L) of the chosen tokens."""
        packed, rows_T = self._packed, self._rows_T
        by_token = DocumentAxis.of(packed.document_T)
        position_T = self._tensor(by_token.position[rows_T])
        x_TL = model.embedding(self._tensor(packed.tokens_T[rows_T]))
        layers = self._config.layers
        out: Tensor
        if not isinstance(model, Latent):
            attends = self._attends("global", by_token.causal(), rows_T, "tokens", layers)
            out = model.norm(model.global_transformer(x_TL, position_T, attends))
            return out
        local, k, part = model.local, self._config.queries, self._local
        seen, by_position = part.packed, DocumentAxis.of(packed.document_P)
        by_token, rows_T = DocumentAxis.of(seen.document_T), rows_T[part.token_T]
        rows_P = self._rows_P & part.position_P
        position_T = self._tensor(by_token.position[rows_T])
        of_tokens = by_token.causal(local.window)
        of_closed = closed_patches(seen, by_position, local.cross_window, k)
        token_TL, patch_PD = model.encoder(
            x_TL if part.whole else x_TL[self._tensor(np.flatnonzero(part.token_T[self._rows_T]))],
            self._tensor((np.cumsum(rows_P) - 1)[seen.patch_T[rows_T]]),
            position_T,
            int(rows_P.sum()),
            self._attends("encoder", of_tokens, rows_T, "tokens", local.encoder_layers),
            self._attends(
                "pool",
                patch_tokens(seen, by_position, local.pooled_patches, k),
                np.repeat(rows_P, k),
                "tokens",
                local.encoder_layers,
            ),
        )
        bypass = self._bypass()
        global_PD = model.global_transformer(
            patch_PD if bypass is None else bypass.positions(patch_PD, model.text_vectors(x_TL[bypass.text_T])),
            self._tensor(by_position.position[self._rows_P]),
            self._attends("global", by_position.causal(), self._rows_P, "positions", layers),
        )
        last_closed_T = np.where(of_closed[1] >= of_closed[0], last_closed_patch(seen), -1)[rows_T]
        out = model.decoder(
            token_TL,
            global_PD if local.decoder_layers else self._all_outputs(global_PD),
            position_T,
            self._tensor(last_closed_T),
            self._attends("closed", of_closed, rows_T, "queries", local.decoder_layers),
            self._attends("decoder", of_tokens, rows_T, "tokens", local.decoder_layers),
        )
        if bypass is not None:
            out = bypass.tokens(out, model.text_states(global_PD[bypass.text_P]))
        out = model.norm(out)
        return out

    def _bypass(self) -> Bypass | None:
        """Where the text of the chosen rows bypasses the local layers."""
        part, rows_T, rows_P = self._local, self._rows_T, self._rows_P
        if part.whole:
            return None
        text_T = np.flatnonzero(~part.token_T[rows_T])
        of_text = (np.cumsum(rows_P) - 1)[self._packed.patch_T[rows_T][text_T]]
        return Bypass(
            speech_T=self._tensor(np.flatnonzero(part.token_T[rows_T])),
            text_T=self._tensor(text_T),
            speech_P=self._tensor(np.flatnonzero(part.position_P[rows_P])),
            text_P=self._tensor(of_text),
            size_T=int(rows_T.sum()),
            size_P=int(rows_P.sum()),
        )

    def _attends(self, name: str, bounds: Bounds, rows: Bools, keys: str, layers: int) -> list[Attend]:
        """Attention of the chosen rows, in each layer, over the keys of the whole batch."""
        packed = self._packed
        size = len(self._local.packed.tokens_T) if keys == "tokens" else len(packed.document_P)
        size *= self._config.queries if keys == "queries" else 1
        spans = Spans.build(bounds[0][rows], bounds[1][rows], size, self._device)

        earlier = self._earlier._kept[name] if self._earlier is not None else [None] * layers
        made = [_LayerAttend(spans, each, self._source.get(keys)) for each in earlier]
        self._kept[name] = made
        return list(made)

    def _all_outputs(self, new_PD: Tensor) -> Tensor:
        """Global outputs of the whole batch, for a decoder without layers."""
        self._outputs_PD = new_PD
        if not self._source:
            return new_PD
        if self._earlier is not None and self._earlier._outputs_PD is not None:
            new_PD = torch.cat((self._earlier._outputs_PD, new_PD))
        return new_PD[self._source["positions"]]

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array.astype(np.int64)).to(self._device)


def score(model: SpeechTextModel, card: ModelCard, questions: Sequence[Question], device: torch.device) -> list[float]:
    """Sum of log-probabilities of each ending of each question, in order."""
    made = plan(questions, card)
    first = Pass(made.shared, card, device) if made.shared is not None else None
    if first is not None:
        first.states(model)
    second = Pass.second(made, first, card, device)
    scored = np.flatnonzero(made.full.targets_T[made.second_T] != IGNORE)
    states_TL = second.states(model)[torch.from_numpy(scored).to(device)]
    targets_T = torch.from_numpy(made.full.targets_T[made.second_T][scored].astype(np.int64)).to(device)
    log_p_T = _log_probabilities(model.head, states_TL, targets_T).double().cpu().numpy()
    documents = sum(len(question.endings) for question in questions)
    document_T = made.full.document_T[made.second_T][scored]
    return [float(total) for total in np.bincount(document_T, weights=log_p_T, minlength=documents)]


def _log_probabilities(head: nn.Module, x_TL: Tensor, targets_T: Tensor) -> Tensor:
    """Log-probability of each target, in chunks whose logits stay in a processor's cache."""
    chunks = [
        -cross_entropy(head(x_CL).float(), target_C, reduction="none")
        for x_CL, target_C in zip(torch.split(x_TL, _CHUNK), torch.split(targets_T, _CHUNK), strict=True)
    ]
    return torch.cat(chunks)
