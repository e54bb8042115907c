"""GPUs by name: peak FLOPs per second and memory, from the makers' data sheets."""

from __future__ import annotations

import re
from dataclasses import dataclass

USABLE = 0.9
"""Share of a GPU's memory that a plan may fill: the CUDA context, NCCL's buffers and fragmentation take the rest. An
assumption, not measured."""


@dataclass(frozen=True)
class Gpu:
    """The properties of a GPU that a plan needs."""

    peak: float
    """Dense bfloat16 (V100: float16) FLOPs per second."""
    memory: int
    """GiB. Of the largest model with this name; a plan takes less where the name says so, as in ``A100 40GB``."""


GPUS = {
    "A100": Gpu(312e12, 80),
    "H100 PCIe": Gpu(756e12, 80),
    "H100 NVL": Gpu(835e12, 94),
    "H100": Gpu(989e12, 80),
    "H200": Gpu(989e12, 141),
    "GH200": Gpu(989e12, 96),
    "B200": Gpu(2250e12, 180),
    "GB200": Gpu(2500e12, 186),
    "L40S": Gpu(362e12, 48),
    "A10": Gpu(125e12, 24),
    "A10G": Gpu(70e12, 24),
    "V100": Gpu(125e12, 32),
}
"""By words of the name that CUDA gives them. NVIDIA's data sheets; A10G's are Amazon's figures for g5."""


def find_gpu(name: str) -> Gpu | None:
    """The GPU with this name; None if it is unknown."""
    # Whole words only: an RTX A1000 is not an A100.
    return next((gpu for words, gpu in GPUS.items() if re.search(rf"\b{words}\b", name, re.IGNORECASE)), None)


def peak_of(name: str) -> float | None:
    """Peak FLOPs per second of a GPU with this name; None if unknown."""
    gpu = find_gpu(name)
    return None if gpu is None else gpu.peak


def memory_of(name: str) -> float | None:
    """GiB of a GPU with this name; None if unknown. ``A100 40GB`` has 40, ``A100`` 80."""
    gpu = find_gpu(name)
    if gpu is None:
        return None
    named = re.search(r"\b(\d+) ?GB\b", name, re.IGNORECASE)
    # A GH200's name holds the memory of its CPU.
    return min(gpu.memory, int(named[1])) if named else gpu.memory
