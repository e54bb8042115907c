"""Batches of preference pairs.

Legend: T tokens, D documents (chosen and rejected of each pair in turn), P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from fairseq2.device import Device
from numpy.typing import NDArray
from torch import Tensor

from lst_cli.inference.shared_prompt import Question
from lst_cli.model.upload import Upload
from lst_cli.model_artifact.card import ModelCard
from lst_cli.patching.packed import Document, Packed, pack_documents
from lst_cli.text.speech_codec import SpeechCodec
from lst_cli.training.engine.train_batch import TrainBatch


@dataclass(frozen=True, kw_only=True)
class ScoredPairs:
    """Pairs as tokens, with the log-probabilities of their continuations under the reference model."""

    questions: Sequence[Question]
    """Prompt, and the endings chosen and rejected."""
    reference_P2: NDArray[np.float64]
    """In nats."""
    card: ModelCard
    speech: SpeechCodec

    def pack(self, chosen: Sequence[int]) -> tuple[Packed, NDArray[np.float64]]:
        """Some pairs as one packed batch of two documents each, and the reference's log-probabilities (D)."""
        documents = [
            Document(tokens=np.concatenate([question.prompt_T, ending]), loss_from=len(question.prompt_T))
            for question in (self.questions[index] for index in chosen)
            for ending in question.endings
        ]
        packed = pack_documents(documents, self.card.vocabulary, self.card.patcher, self.card.cut)
        return packed, self.reference_P2[list(chosen)].reshape(-1)


class PairBatch(TrainBatch):
    """Some pairs in one row, for one process."""

    reference_D: Tensor
    document_T: Tensor

    def __init__(self, pairs: ScoredPairs, chosen: Sequence[int], device_type: str) -> None:
        packed, reference = pairs.pack(chosen)
        super().__init__(
            packed,
            pairs.card.architecture,
            pairs.speech,
            sequences=chosen,
            sums=[crc32(packed.tokens_T[packed.document_T // 2 == place].tobytes()) for place in range(len(chosen))],
            device_type=device_type,
        )
        self.pairs = len(chosen)
        self._upload = Upload()
        self._reference = self._upload.add(reference, np.float64)
        self._document = self._upload.add(packed.document_T)
        self._upload.seal(device_type)

    def to(self, device: Device, *, non_blocking: bool = False) -> None:
        """Copy the tensors to ``device``, without waiting."""
        super().to(device, non_blocking=non_blocking)
        sent = self._upload.to(device)
        self.reference_D, self.document_T = sent(self._reference), sent(self._document)
