"""The paths of a GPU, on one that computes nothing: what mixes devices or types, or can't be compiled, fails here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.null_gpu.building import build, on_null_gpu


@pytest.fixture(scope="module")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("null_gpu")
    return build(folder)


def test_training_steps_stay_on_the_gpu(gpu: dict[str, str]) -> None:
    assert len(on_null_gpu(gpu, "training")["made"]) == 4 * 3


def test_decoding_stays_on_the_gpu(gpu: dict[str, str]) -> None:
    assert min(on_null_gpu(gpu, "decoding")["replayed"].values()) > 0


def test_a_step_is_captured_on_its_own_gpu(gpu: dict[str, str]) -> None:
    assert on_null_gpu(gpu, "capture") == {"seen": [[1, True]], "device": "cuda:1", "after": 0}


@pytest.mark.parametrize(("dtype", "width", "kv_heads"), [("bfloat16", 64, 4), ("float32", 128, 2)])
def test_kernels_of_the_masks_compile_for_an_h100(gpu: dict[str, str], dtype: str, width: int, kv_heads: int) -> None:
    made = on_null_gpu(gpu, "kernels", dtype, str(width), str(kv_heads))["made"]
    # Inductor's names: what flex attention is made of are its only templates, one each way.
    assert sum(name.startswith("triton_tem_") for name, _, _ in made) == 2, made
    assert all(arch == 90 and size > 0 for _, arch, size in made)
