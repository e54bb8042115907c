"""Replays a decoding step as one CUDA graph: a step of a small batch is hundreds of kernels, and launching them costs
more than running them.

A step is captured when its shape comes a second time. Everything that changes from step to step lies in one buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from lst_cli.model.upload import Sent, Upload

Outputs: TypeAlias = tuple[Tensor, ...]
Recorder: TypeAlias = Callable[[Callable[[], Outputs]], tuple[Outputs, Callable[[], None]]]
"""From work to the tensors that it fills, and a function that fills them anew from the same inputs. The recorder itself
need not fill them."""


@dataclass(frozen=True)
class _Recorded:
    buffer: Tensor
    outputs: Outputs
    replay: Callable[[], None]


class StepGraphs:
    """The recorded steps of one decoding state."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._seen: set[Hashable] = set()
        self._recorded: dict[Hashable, _Recorded] = {}
        self.replayed = 0
        """Steps that were replayed so far."""

    def run(self, key: Hashable, upload: Upload, device: torch.device, work: Callable[[Sent], Outputs]) -> Outputs:
        """Run a step whose kernels depend on ``key`` and on the uploaded arrays alone."""
        recorded = self._recorded.get(key)
        if recorded is not None:
            upload.refill(recorded.buffer)
        elif key not in self._seen:
            self._seen.add(key)
            return work(upload.to(device))
        else:
            buffer = upload.copy(device)
            outputs, replay = self.recorder(lambda: work(upload.views(buffer)))
            recorded = self._recorded[key] = _Recorded(buffer, outputs, replay)
        recorded.replay()
        self.replayed += 1
        # The next replay overwrites them.
        return tuple(output.clone() for output in recorded.outputs)

    def clear(self) -> None:
        """Forget all steps: the tensors that they write to have moved."""
        self._seen.clear()
        self._recorded.clear()


def cuda_recorder(device: torch.device) -> Recorder:
    """Records CUDA graphs of a GPU that share one pool of memory."""
    pool: Any = torch.cuda.graph_pool_handle()

    def record(work: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        # Captured on a stream of another GPU, which may be the current one, the graph would be empty. The reader's
        # thread may pin memory during a capture, which only this mode permits.
        with torch.cuda.device(device):
            graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                outputs = work()
        return outputs, graph.replay

    return record
