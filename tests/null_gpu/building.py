"""Builds the GPU that computes nothing, and runs Python modules as on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "null_cuda.c"


def build(folder: Path) -> dict[str, str]:
    """Compile both libraries into a folder.

    :returns: the environment for processes that are to take this machine for one with GPUs.
    """
    triton, runtime = find_spec("triton"), find_spec("nvidia.cuda_runtime")
    if shutil.which("gcc") is None or shutil.which("nm") is None or triton is None or runtime is None:
        pytest.skip("needs gcc, nm, Triton and CUDA's runtime library")
    headers = Path(str(triton.origin)).parent / "backends" / "nvidia" / "include"
    library = next(iter(runtime.submodule_search_locations or []))
    exported = subprocess.run(
        ["nm", "-D", "--defined-only", f"{library}/lib/libcudart.so.12"], capture_output=True, text=True, check=True
    ).stdout
    declared = (headers / "cuda.h").read_text(encoding="utf-8")
    _compile(folder / "libnull.so", re.findall(r"\b(cuda[A-Z]\w+)(?=@|$)", exported, re.M), headers, "-DRUNTIME")
    _compile(folder / "libcuda.so.1", re.findall(r"CUDAAPI\s+(cu[A-Z]\w+)\s*\(", declared), headers)
    (folder / "libcuda.so").symlink_to("libcuda.so.1")
    return {
        **os.environ,
        "LD_PRELOAD": str(folder / "libnull.so"),
        "LD_LIBRARY_PATH": str(folder),
        "TRITON_LIBCUDA_PATH": str(folder),
        "TRITON_CACHE_DIR": str(folder / "triton"),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        "NULL_GPUS": "2",
        "OMP_NUM_THREADS": "1",
    }


def _compile(library: Path, names: list[str], headers: Path, *options: str) -> None:
    """The source, and a function that does nothing and succeeds for each name that is not in it."""
    written = SOURCE.read_text(encoding="utf-8")
    others = [name for name in sorted(set(names)) if not re.search(rf"\b{name}\(", written)]
    source = library.with_suffix(".c")
    source.write_text(written + "".join(f"int {name}() {{ return 0; }}\n" for name in others), encoding="utf-8")
    command = ["gcc", "-w", "-shared", "-fPIC", "-I", str(headers), *options, str(source), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)


def on_null_gpu(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """Run a part of :mod:`tests.null_gpu.parts`; the JSON of its last line."""
    command = [sys.executable, "-m", "tests.null_gpu.parts", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
