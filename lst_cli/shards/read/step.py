"""The data of one training step."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import Any

import numpy as np

from lst_cli.patching.packed import PADDING, Packed
from lst_cli.patching.strategies import Cut
from lst_cli.shards.read.packing import Sequence


@dataclass(frozen=True, kw_only=True)
class StepData:
    """The sequences of one step that one rank reads."""

    step: int
    """Counted from 0."""
    numbers: tuple[int, ...]
    """Global number of each sequence, counted from the start of the run over all ranks."""
    cuts: tuple[Cut, ...]
    """The patching of each sequence."""
    sequences: tuple[Sequence, ...]
    positions: int
    """Positions of every sequence, empty ones included."""
    prepared: Any = None
    """What :attr:`lst_cli.shards.read.reader.Reader.prepare` made of the step, in the reader's thread."""

    def packed(self, first: int = 0, last: int | None = None) -> Packed:
        """Some of the sequences (all by default) end to end in one row."""
        return join(self.sequences[first:last], self.positions)


def join(sequences: SequenceOf[Sequence], positions: int) -> Packed:
    """Sequences end to end, each in exactly ``positions`` positions; empty positions follow its documents."""
    n = len(sequences)
    patch_T, document_T = [], []
    document_P = np.full((n, positions), PADDING, np.int32)
    documents = 0
    for i, sequence in enumerate(sequences):
        patch_T.append(sequence.patches.patch_T() + np.int32(i * positions))
        document_T.append(sequence.document_T + np.int32(documents))
        document_P[i, : sequence.positions] = document_T[-1][sequence.patches.opens_T]
        documents += int(sequence.document_T[-1]) + 1 if len(sequence.document_T) else 0
    return Packed(
        tokens_T=np.concatenate([sequence.tokens_T for sequence in sequences]),
        targets_T=np.concatenate([sequence.targets_T for sequence in sequences]),
        document_T=np.concatenate(document_T),
        patch_T=np.concatenate(patch_T),
        closes_T=np.concatenate([sequence.patches.closes_T for sequence in sequences]),
        document_P=document_P.reshape(-1),
    )
