"""GPUs are found by the names that CUDA gives them."""

from __future__ import annotations

import pytest

from lst_cli.training.budget.gpus import memory_of, peak_of


def test_peaks_are_found_by_a_part_of_the_name() -> None:
    assert peak_of("NVIDIA H200") == peak_of("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_of("NVIDIA A100-SXM4-80GB") == peak_of("a100") == 312e12
    assert peak_of("NVIDIA H100 PCIe") == 756e12
    assert peak_of("NVIDIA B200") == 2250e12 < (peak_of("NVIDIA GB200") or 0) == 2500e12
    assert peak_of("Radeon") is peak_of("NVIDIA RTX A1000") is None


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("H100", 80),
        ("NVIDIA H100 80GB HBM3", 80),
        ("NVIDIA A100-SXM4-40GB", 40),
        ("A100 40GB", 40),
        ("a100", 80),
        ("NVIDIA GH200 480GB", 96),  # that is the CPU's
        ("NVIDIA H200", 141),
        ("Radeon", None),
    ],
)
def test_memory_is_that_of_the_name(name: str, gib: int | None) -> None:
    assert memory_of(name) == gib
