"""A packed batch as tensors, with the spans of every attention of one model.

Shape legend: T tokens, P positions of the global transformer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lst_cli.model.attention import Spans, stage_spans
from lst_cli.model.layout import (
    DocumentAxis,
    LocalPart,
    closed_patches,
    last_closed_patch,
    local_part,
    patch_tokens,
)
from lst_cli.model.model_config import ModelConfig
from lst_cli.model.upload import Sent, Upload
from lst_cli.patching.packed import IGNORE, PADDING, Packed
from lst_cli.text.vocabulary import Vocabulary


class TargetModality(IntEnum):
    """The kind of a target, for sums by modality."""

    SPEECH = 0
    """A speech token."""
    TEXT_WITH_SPEECH = 1
    """Text, a marker or an end, in a document that has speech."""
    TEXT_ONLY = 2
    """Text in a document without speech."""


@dataclass(frozen=True)
class Bypass:
    """Which tokens bypass the local layers, if text does; padding is in neither group."""

    speech_T: Tensor
    """Indices of the speech tokens among all tokens."""
    text_T: Tensor
    """Indices of the others."""
    speech_P: Tensor
    """Indices of the positions of speech."""
    text_P: Tensor
    """Position of each text token."""
    size_T: int
    size_P: int

    def positions(self, speech: Tensor, text: Tensor) -> Tensor:
        """Vectors of all positions (P, D), from those of speech patches and of text tokens."""
        whole = speech.new_zeros(self.size_P, speech.shape[1])
        return whole.index_copy(0, self.speech_P, speech).index_copy(0, self.text_P, text.to(speech.dtype))

    def tokens(self, speech: Tensor, text: Tensor) -> Tensor:
        """States of all tokens (T, L)."""
        whole = speech.new_zeros(self.size_T, speech.shape[1])
        return whole.index_copy(0, self.speech_T, speech).index_copy(0, self.text_T, text.to(speech.dtype))


@dataclass(frozen=True)
class LocalBatch:
    """Inputs of the patch encoder and decoder: of all tokens, or of speech tokens if text bypasses them."""

    position_T: Tensor
    """Place of each token among those of its document."""
    patch_T: Tensor
    """Patch of each token, of those that the encoder makes; ``patches`` for padding."""
    last_closed_T: Tensor
    """The last patch that each token may use; -1 where there is none in its document."""
    tokens_T: Spans
    """Windowed causal self-attention of tokens."""
    patch_to_tokens_Q: Spans
    """Cross-attention of patch queries to tokens."""
    token_to_patches_T: Spans
    """Cross-attention of tokens to the outputs of closed patches."""
    patches: int
    """Patches that the encoder makes."""
    bypass: Bypass | None


@dataclass(frozen=True)
class Batch:
    """One packed batch on a device."""

    tokens_T: Tensor
    targets_T: Tensor
    """The next token, or ``IGNORE`` for tokens without loss."""
    modality_T: Tensor
    """:class:`TargetModality` of each target."""
    position_P: Tensor
    """Place of each position in its document, for rotary embedding."""
    positions_P: Spans
    """Block-causal self-attention of the global transformer."""
    local: LocalBatch | None


class StagedBatch:
    """A packed batch on the host: every array and mask is made, and waits in one buffer for its device."""

    def __init__(self, packed: Packed, config: ModelConfig, vocabulary: Vocabulary, device_type: str) -> None:
        """Stage for a model of this config; a baseline takes tokens as its positions.

        Costs milliseconds, so training does it in the reader's thread.
        """
        upload = Upload()
        rows_P = DocumentAxis.of(packed.document_T if config.local is None else packed.document_P)
        tokens, targets, modality, position = (
            upload.add(array)
            for array in (packed.tokens_T, packed.targets_T, modalities(packed, vocabulary), rows_P.position)
        )
        positions = stage_spans(*rows_P.causal(), keys=len(rows_P.start), upload=upload, device_type=device_type)
        local = _stage_local(packed, config, vocabulary, rows_P, upload, device_type)
        self._upload = upload.seal(device_type)
        self._make: Callable[[Sent], Batch] = lambda sent: Batch(
            tokens_T=sent(tokens),
            targets_T=sent(targets),
            modality_T=sent(modality),
            position_P=sent(position),
            positions_P=positions(sent),
            local=local(sent) if local is not None else None,
        )

    def to(self, device: torch.device) -> Batch:
        """Copy to the device, without waiting for it."""
        return self._make(self._upload.to(device))


def make_batch(packed: Packed, config: ModelConfig, vocabulary: Vocabulary, device: torch.device) -> Batch:
    """Turn a packed batch into tensors for a model of this config. A baseline takes tokens as its positions."""
    return StagedBatch(packed, config, vocabulary, device.type).to(device)


def _stage_local(
    packed: Packed,
    config: ModelConfig,
    vocabulary: Vocabulary,
    rows_P: DocumentAxis,
    upload: Upload,
    device_type: str,
) -> Callable[[Sent], LocalBatch] | None:
    if config.local is None:
        return None
    part, k = local_part(packed, config, vocabulary), config.queries
    seen, patches = part.packed, int(part.position_P.sum())
    tokens, positions = len(seen.tokens_T), len(packed.document_P)
    rows_T = DocumentAxis.of(seen.document_T)
    closed = closed_patches(seen, rows_P, config.local.cross_window, k)
    number_P = np.cumsum(part.position_P) - 1
    place, patch, last_closed = (
        upload.add(array)
        for array in (
            rows_T.position,
            np.where(rows_T.real, number_P[seen.patch_T], patches),
            np.where(closed[1] >= closed[0], last_closed_patch(seen), -1),
        )
    )
    chosen_Q = np.repeat(part.position_P, k)
    gather = patch_tokens(seen, rows_P, config.local.pooled_patches, k)
    over_tokens, over_patch, over_closed = (
        stage_spans(*bounds, keys=keys, upload=upload, device_type=device_type)
        for bounds, keys in (
            (rows_T.causal(config.local.window), tokens),
            ((gather[0][chosen_Q], gather[1][chosen_Q]), tokens),
            (closed, positions * k),
        )
    )
    bypass = _stage_bypass(packed, part, upload)
    return lambda sent: LocalBatch(
        position_T=sent(place),
        patch_T=sent(patch),
        last_closed_T=sent(last_closed),
        tokens_T=over_tokens(sent),
        patch_to_tokens_Q=over_patch(sent),
        token_to_patches_T=over_closed(sent),
        patches=patches,
        bypass=bypass(sent),
    )


def _stage_bypass(packed: Packed, part: LocalPart, upload: Upload) -> Callable[[Sent], Bypass | None]:
    if part.whole:
        return lambda sent: None
    text_T = np.flatnonzero(~part.token_T & (packed.document_T != PADDING))
    speech_T, speech_P = upload.add(np.flatnonzero(part.token_T)), upload.add(np.flatnonzero(part.position_P))
    text, text_P = upload.add(text_T), upload.add(packed.patch_T[text_T])
    return lambda sent: Bypass(
        speech_T=sent(speech_T),
        text_T=sent(text),
        speech_P=sent(speech_P),
        text_P=sent(text_P),
        size_T=len(packed.tokens_T),
        size_P=len(packed.document_P),
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
