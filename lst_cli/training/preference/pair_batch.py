"""Batches of preference pairs, and the reader that trains on them in an order of its own.

Step ``s`` takes the pairs ``[s N, (s + 1) N)`` of an endless line of epochs, each in an order drawn by seed and epoch;
rank ``r`` of ``R`` takes every ``R``-th of them. So a step is the same for any number of ranks, and resuming needs the
number of steps only.

Legend: T tokens, D documents (chosen and rejected of each pair in turn), P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import torch
from fairseq2.datasets import DataReader
from fairseq2.device import Device
from fairseq2.gang import Gang
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

from lst_cli.errors import UserError
from lst_cli.hashing import permutation
from lst_cli.inference.shared_prompt import Question
from lst_cli.model_artifact.card import ModelCard
from lst_cli.patching.packed import Document, Packed, pack_documents
from lst_cli.text.speech_codec import SpeechCodec
from lst_cli.training.engine.nonfinite_guard import NonfiniteGuard
from lst_cli.training.engine.step_reader import batches_of_step
from lst_cli.training.engine.train_batch import TrainBatch
from lst_cli.training.engine.validation_unit import OnceReader


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
        self.reference_D = torch.from_numpy(reference)
        self.document_T = torch.from_numpy(packed.document_T.astype(np.int64))

    def to(self, device: Device, *, non_blocking: bool = False) -> None:
        """Copy the tensors to ``device``."""
        super().to(device, non_blocking=non_blocking)
        self.reference_D = self.reference_D.to(device)
        self.document_T = self.document_T.to(device)


class PairReader(DataReader[PairBatch]):
    """One step of the run at each iteration, in as many batches as memory asks for."""

    def __init__(
        self,
        pairs: ScoredPairs,
        chosen: Sequence[int],
        *,
        per_step: int,
        micro_batch_size: int | None,
        seed: int,
        gang: Gang,
        guard: NonfiniteGuard,
    ) -> None:
        """Read for one process.

        :param chosen: the pairs to train on.
        :param per_step: pairs of a step over all processes, which divide it.
        """
        self._pairs = pairs
        self._chosen = np.asarray(chosen)
        self._per_step = per_step
        self._share = per_step // gang.size
        self._per_batch = min(micro_batch_size or self._share, self._share)
        self._seed = seed
        self._gang = gang
        self._guard = guard
        self._step = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[PairBatch]:
        """The batches of the next step."""
        mine = self.step_pairs(self._step)[self._gang.rank :: self._gang.size]
        self._step += 1
        return [
            PairBatch(self._pairs, mine[first : first + self._per_batch], self._gang.device.type)
            for first in range(0, self._share, self._per_batch)
        ]

    def step_pairs(self, step: int) -> list[int]:
        """The pairs of a step (from 0), over all processes."""
        place = np.arange(step * self._per_step, (step + 1) * self._per_step)
        epoch, within = np.divmod(place, len(self._chosen))
        orders = {int(each): permutation(len(self._chosen), self._seed, int(each)) for each in np.unique(epoch)}
        return [int(self._chosen[orders[int(e)][w]]) for e, w in zip(epoch, within, strict=True)]

    def reset(self) -> None:
        """No-op: the stream of steps has no end."""

    def state_dict(self) -> dict[str, object]:
        """The number of steps read; the same in all processes.

        fairseq2 asks for it only when it saves a checkpoint: weights that are not finite are not saved.
        """
        self._guard.check()
        return {"step": self._step, "per_step": self._per_step, "pairs": len(self._chosen)}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Resume from there.

        :raises UserError: the state is of other pairs.
        """
        mine = {"per_step": self._per_step, "pairs": len(self._chosen)}
        if any(state_dict.get(key) != value for key, value in mine.items()):
            raise UserError("the checkpoint is of other pairs", found=str(state_dict), expected=str(mine))
        self._step = int(str(state_dict["step"]))

    @property
    def num_accumulate(self) -> int:
        """Batches of a step."""
        return batches_of_step(self._share, self._per_batch)


class PairOnceReader(OnceReader):
    """All held-out pairs once."""

    def __init__(self, pairs: ScoredPairs, **options: object) -> None:
        """Read for one process; options as those of :class:`OnceReader`."""
        self._pairs = pairs
        super().__init__(config=pairs.card.architecture, speech=pairs.speech, **options)  # type: ignore[arg-type]

    def make(self, packed: Sequence[int]) -> PairBatch:  # type: ignore[override]
        """The batch of some pairs."""
        return PairBatch(self._pairs, packed, self._gang.device.type)
