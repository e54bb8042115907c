"""A packed batch as tensors, with the spans of every attention of one model.

Shape legend: T tokens, P positions of the global transformer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lst_cli.model.attention import Spans
from lst_cli.model.layout import DocumentAxis, closed_patches, last_closed_patch, patch_tokens
from lst_cli.model.model_config import ModelConfig
from lst_cli.patching.packed import IGNORE, Packed
from lst_cli.text.vocabulary import Vocabulary


class TargetModality(IntEnum):
    """What a target is, for sums by modality."""

    SPEECH = 0
    """A speech token."""
    TEXT_WITH_SPEECH = 1
    """Text, a marker or an end, in a document that has speech."""
    TEXT_ONLY = 2
    """Text in a document without speech."""


@dataclass(frozen=True)
class LocalBatch:
    """What the patch encoder and decoder need beside the tokens."""

    position_T: Tensor
    """Place of each token in its document."""
    patch_T: Tensor
    """Position of each token's patch; P for padding."""
    last_closed_T: Tensor
    """The last patch that each token may use; -1 where there is none in its document."""
    tokens_T: Spans
    """Windowed causal self-attention of tokens."""
    patch_to_tokens_Q: Spans
    """Cross-attention of patch queries to tokens."""
    token_to_patches_T: Spans
    """Cross-attention of tokens to the outputs of closed patches."""


@dataclass(frozen=True)
class Batch:
    """One packed batch on a device."""

    tokens_T: Tensor
    targets_T: Tensor
    """The next token, or ``IGNORE`` where there is no loss."""
    modality_T: Tensor
    """:class:`TargetModality` of each target."""
    position_P: Tensor
    """Place of each position in its document, for rotary embedding."""
    positions_P: Spans
    """Block-causal self-attention of the global transformer."""
    local: LocalBatch | None


def make_batch(packed: Packed, config: ModelConfig, vocabulary: Vocabulary, device: torch.device) -> Batch:
    """Turn a packed batch into tensors for a model of this config. A baseline takes tokens as its positions."""
    rows_P = DocumentAxis.of(packed.document_T if config.local is None else packed.document_P)
    return Batch(
        tokens_T=_tensor(packed.tokens_T, device),
        targets_T=_tensor(packed.targets_T, device),
        modality_T=_tensor(modalities(packed, vocabulary), device),
        position_P=_tensor(rows_P.position, device),
        positions_P=Spans.build(*rows_P.causal(), keys=len(rows_P.start), device=device),
        local=_local_batch(packed, config, rows_P, device),
    )


def _local_batch(packed: Packed, config: ModelConfig, rows_P: DocumentAxis, device: torch.device) -> LocalBatch | None:
    if config.local is None:
        return None
    tokens, positions = len(packed.tokens_T), len(packed.document_P)
    rows_T = DocumentAxis.of(packed.document_T)
    closed_low_T, closed_high_T = closed_patches(packed, rows_P, config.local.cross_window, config.queries)
    sees_T = closed_high_T >= closed_low_T
    return LocalBatch(
        position_T=_tensor(rows_T.position, device),
        patch_T=_tensor(np.where(rows_T.real, packed.patch_T, positions), device),
        last_closed_T=_tensor(np.where(sees_T, last_closed_patch(packed), -1), device),
        tokens_T=Spans.build(*rows_T.causal(config.local.window), keys=tokens, device=device),
        patch_to_tokens_Q=Spans.build(
            *patch_tokens(packed, rows_P, config.local.pooled_patches, config.queries), keys=tokens, device=device
        ),
        token_to_patches_T=Spans.build(closed_low_T, closed_high_T, keys=positions * config.queries, device=device),
    )


def modalities(packed: Packed, vocabulary: Vocabulary) -> NDArray[np.integer]:
    """:class:`TargetModality` of each target; that of an ignored target means nothing."""
    speech_T = vocabulary.is_speech(packed.tokens_T)
    documents = packed.document_T + 1  # padding counts as document 0
    has_speech = np.bincount(documents, weights=speech_T, minlength=1) > 0
    text_T = np.where(has_speech[documents], TargetModality.TEXT_WITH_SPEECH, TargetModality.TEXT_ONLY)
    return np.where(
        vocabulary.is_speech(packed.targets_T) & (packed.targets_T != IGNORE), TargetModality.SPEECH, text_T
    )


def _tensor(array: NDArray[np.integer], device: torch.device) -> Tensor:
    return torch.from_numpy(array.astype(np.int64)).to(device, non_blocking=True)
