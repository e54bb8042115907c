"""FLOPs of a training step, and the peak FLOPs per second of GPUs."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from lst_cli.model.cost import Workload, train_flops
from lst_cli.model.model_config import ModelConfig
from lst_cli.patching.packed import PADDING, Packed
from lst_cli.text.vocabulary import Vocabulary

PEAK_BF16 = {
    "A100": 312e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "GH200": 989e12,
    "B200": 2250e12,
    "GB200": 2500e12,
    "L40S": 362e12,
    "A10": 125e12,
    "A10G": 70e12,
    "V100": 125e12,
}
"""Dense bfloat16 (V100: float16) FLOPs per second of a GPU, by words of its name; from the data sheets."""


def peak_of(gpu: str) -> float | None:
    """Peak FLOPs per second of a GPU with this name; None if unknown."""
    # Whole words only: an RTX A1000 is not an A100.
    matching = (peak for name, peak in PEAK_BF16.items() if re.search(rf"\b{name}\b", gpu, re.IGNORECASE))
    return next(matching, None)


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
