"""How steps are captured on a GPU, without one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lst_cli.model.decode.step_graph import cuda_recorder


def test_a_step_is_captured_on_its_own_gpu_while_other_threads_use_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the current GPU, which may be another one, the graph would hold none of the step's kernels."""
    current, captures = [torch.device("cuda:0")], []

    @contextlib.contextmanager
    def device(chosen: torch.device) -> Iterator[None]:
        current.append(chosen)
        yield
        current.pop()

    @contextlib.contextmanager
    def graph(made: Any, *, stream: Any, **options: Any) -> Iterator[None]:
        captures.append((current[-1], stream.device, options["capture_error_mode"]))
        yield

    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: None))
    monkeypatch.setattr(torch.cuda, "Stream", lambda chosen: SimpleNamespace(device=chosen))
    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    other = torch.device("cuda:1")
    outputs, _ = cuda_recorder(other)(lambda: (torch.ones(2),))
    assert captures == [(other, other, "thread_local")]
    assert len(outputs) == 1 and current == [torch.device("cuda:0")]
