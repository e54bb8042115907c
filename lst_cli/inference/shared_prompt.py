"""Scoring endings that share a prompt: the prompt goes through the model once, however many endings it has.

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
from lst_cli.model.layers import Attend
from lst_cli.model.layout import Bounds, DocumentAxis, closed_patches, last_closed_patch, patch_tokens
from lst_cli.model.model import Latent, SpeechTextModel
from lst_cli.model.model_config import ModelConfig
from lst_cli.model_artifact.card import ModelCard
from lst_cli.patching.packed import IGNORE, Document, Packed, pack_documents

Bools = NDArray[np.bool_]
Ints = NDArray[np.integer]

_CHUNK = 256
"""Tokens whose logits exist at one time. On two cores, with 32,000 pieces, 2,048 took 1.8 times as long."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A prompt and what may follow it, as token ids."""

    prompt_T: NDArray[np.int32]
    """Opened by its marker; never empty."""
    endings: tuple[NDArray[np.int32], ...]
    """Only these tokens are scored."""


@dataclass(frozen=True, kw_only=True)
class PromptPlan:
    """Both passes over some questions."""

    shared: Packed | None
    """The prompts up to their last border of a patch; None where none has a border."""
    full: Packed
    """Every prompt with every ending, one document each."""
    second_T: Bools
    """Which tokens of the full batch belong to the second pass."""
    second_P: Bools
    source_T: Ints
    """Where each token of the full batch is computed: its row in the first pass, or after those, in the second."""
    source_P: Ints


def plan(questions: Sequence[Question], card: ModelCard) -> PromptPlan:
    """Lay out both passes."""

    def pack(documents: list[Document]) -> Packed:
        return pack_documents(documents, card.vocabulary, card.patching, card.cut)

    full = pack(
        [
            Document(tokens=np.concatenate([question.prompt_T, ending]), loss_from=len(question.prompt_T))
            for question in questions
            for ending in question.endings
        ]
    )
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
    prompts = [Document(tokens=question.prompt_T[:cut]) for question, cut in zip(questions, cut_q, strict=True)]
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


class Pass:
    """One run of the model over chosen rows of a batch, next to rows that an earlier run has kept."""

    def __init__(self, packed: Packed, config: ModelConfig, device: torch.device, *, after: Pass | None = None) -> None:
        """Run over all rows of a batch, keeping what attention needs of them."""
        self._packed = packed
        self._config = config
        self._device = device
        self._rows_T: Bools = np.ones(len(packed.tokens_T), dtype=np.bool_)
        self._rows_P: Bools = np.ones(len(packed.document_P), dtype=np.bool_)
        self._source: dict[str, Tensor] = {}
        self._earlier: dict[str, Tensor] = {}
        self._kept: dict[str, Tensor] | None = {}

    @classmethod
    def second(cls, made: PromptPlan, first: Pass | None, config: ModelConfig, device: torch.device) -> Pass:
        """Run over the rows of a plan's second pass, next to those that the first has kept."""
        run = cls(made.full, config, device)
        run._rows_T, run._rows_P = made.second_T, made.second_P
        queries_Q = (made.source_P[:, None] * config.queries + np.arange(config.queries)).ravel()
        run._source = {
            name: run._tensor(source)
            for name, source in (("tokens", made.source_T), ("positions", made.source_P), ("queries", queries_Q))
        }
        run._earlier = first._kept or {} if first is not None else {}
        run._kept = None
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
        local, queries = model.local, self._config.queries
        by_position = DocumentAxis.of(packed.document_P)
        of_tokens = by_token.causal(local.window)
        of_patches = patch_tokens(packed, by_position, local.pooled_patches, queries)
        of_closed = closed_patches(packed, by_position, local.cross_window, queries)
        rows_Q = np.repeat(self._rows_P, queries)
        token_TL, patch_PD = model.encoder(
            x_TL,
            self._tensor((np.cumsum(self._rows_P) - 1)[packed.patch_T[rows_T]]),
            position_T,
            int(self._rows_P.sum()),
            self._attends("encoder", of_tokens, rows_T, "tokens", local.encoder_layers),
            self._attends("pool", of_patches, rows_Q, "tokens", local.encoder_layers),
        )
        global_PD = model.global_transformer(
            patch_PD,
            self._tensor(by_position.position[self._rows_P]),
            self._attends("global", by_position.causal(), self._rows_P, "positions", layers),
        )
        last_closed_T = np.where(of_closed[1] >= of_closed[0], last_closed_patch(packed), -1)[rows_T]
        out = model.decoder(
            token_TL,
            global_PD if local.decoder_layers else self._joined_with_kept(global_PD, "memory", "positions"),
            position_T,
            self._tensor(last_closed_T),
            self._attends("closed", of_closed, rows_T, "queries", local.decoder_layers),
            self._attends("decoder", of_tokens, rows_T, "tokens", local.decoder_layers),
        )
        out = model.norm(out)
        return out

    def _attends(self, name: str, bounds: Bounds, rows: Bools, keys: str, layers: int) -> list[Attend]:
        """Attention of the chosen rows, in each layer, over the keys of the whole batch."""
        packed = self._packed
        size = len(packed.tokens_T) if keys == "tokens" else len(packed.document_P)
        size *= self._config.queries if keys == "queries" else 1
        spans = Spans.build(bounds[0][rows], bounds[1][rows], size, self._device)

        def of_layer(layer: int) -> Attend:
            def attend_over(q_THE: Tensor, k_SHE: Tensor, v_SHE: Tensor) -> Tensor:
                k_SHE = self._joined_with_kept(k_SHE, f"{name} {layer} k", keys)
                v_SHE = self._joined_with_kept(v_SHE, f"{name} {layer} v", keys)
                return attend(q_THE, k_SHE, v_SHE, spans)

            return attend_over

        return [of_layer(layer) for layer in range(layers)]

    def _joined_with_kept(self, new: Tensor, name: str, rows: str) -> Tensor:
        """New rows joined with the earlier run's, in the order of the batch."""
        if self._kept is not None:
            self._kept[name] = new
        if not self._source:
            return new
        earlier = self._earlier.get(name)
        return (new if earlier is None else torch.cat((earlier, new)))[self._source[rows]]

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array.astype(np.int64)).to(self._device)


def score(model: SpeechTextModel, card: ModelCard, questions: Sequence[Question], device: torch.device) -> list[float]:
    """Sum of log-probabilities of each ending of each question, one after another."""
    made = plan(questions, card)
    first = Pass(made.shared, card.architecture, device) if made.shared is not None else None
    if first is not None:
        first.states(model)
    second = Pass.second(made, first, card.architecture, device)
    scored = made.full.targets_T[made.second_T] != IGNORE
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
