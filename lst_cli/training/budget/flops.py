"""FLOPs of a training step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lst_cli.model.cost import Workload, train_flops
from lst_cli.model.model_config import ModelConfig
from lst_cli.patching.packed import PADDING, Packed
from lst_cli.text.vocabulary import Vocabulary


def step_flops(packed: Packed, config: ModelConfig, vocabulary: Vocabulary) -> float:
    """FLOPs of a forward and backward pass over a batch."""
    tokens = _lengths(packed.document_T)
    positions = tokens if config.local is None else _lengths(packed.document_P)
    text_T = (packed.document_T != PADDING) & ~vocabulary.is_speech(packed.tokens_T)
    work = workload(float(tokens.sum()), positions, text=float(np.count_nonzero(text_T)))
    return train_flops(config, vocabulary.size, work)


def workload(tokens: float, lengths: NDArray[np.integer], *, text: float = 0.0) -> Workload:
    """The workload of this many tokens in documents of these lengths (in positions); ``text`` are text or markers."""
    positions = float(lengths.sum())
    # A position's document is as long as the mean over positions, not over documents.
    context = float((lengths.astype(np.float64) ** 2).sum()) / max(positions, 1.0)
    return Workload(positions=max(positions, 1.0), tokens=tokens, context=context, text=text)


def _lengths(document: NDArray[np.int32]) -> NDArray[np.int64]:
    real = document[document != PADDING]
    return np.bincount(real) if len(real) else np.zeros(1, np.int64)
