"""Host arrays that reach a device in one copy.

A small copy costs a kernel launch, and one from pageable memory makes the host wait. So the arrays of a batch are laid
into one buffer, pinned where the device is a GPU, and the device gets views of one copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ALIGN = 16
"""Bytes; kernels read vectors of up to this size."""

Sent: TypeAlias = Callable[[int], Tensor]
"""From the number that :meth:`Upload.add` returned to the array on the device."""


class Upload:
    """Collects arrays on the host; :meth:`to` copies them all."""

    def __init__(self) -> None:
        self._arrays: list[NDArray[Any]] = []
        self._starts: list[int] = []
        self._bytes = 0
        self._buffer: Tensor | None = None

    def add(self, array: NDArray[Any], dtype: type[np.generic] = np.int64) -> int:
        """Add an array, converted to ``dtype``; return its number."""
        self._arrays.append(np.ascontiguousarray(array, dtype=dtype))
        self._starts.append(self._bytes)
        self._bytes += -(-self._arrays[-1].nbytes // _ALIGN) * _ALIGN
        return len(self._arrays) - 1

    def seal(self, device_type: str) -> Upload:
        """Copy the arrays into one pinned buffer, if the device is a GPU. Safe in a thread during a training step."""
        if device_type == "cuda" and self._buffer is None:
            self._buffer = self._laid_out().pin_memory()
        return self

    def to(self, device: torch.device) -> Sent:
        """Copy to a device without waiting; on the CPU, views of the arrays themselves."""
        if device.type == "cpu":
            host = [torch.from_numpy(array) for array in self._arrays]
            return lambda number: host[number]
        return self.views(self.copy(device))

    def copy(self, device: torch.device) -> Tensor:
        """All arrays on a device as one buffer of bytes."""
        buffer = self.seal(device.type)._buffer
        return (self._laid_out() if buffer is None else buffer).to(device, non_blocking=True)

    def refill(self, whole: Tensor) -> None:
        """Overwrite a buffer that an upload of the same arrays' shapes made."""
        buffer = self.seal(whole.device.type)._buffer
        whole.copy_(self._laid_out() if buffer is None else buffer, non_blocking=True)

    def views(self, whole: Tensor) -> Sent:
        """The arrays in a buffer that :meth:`copy` made."""
        return lambda number: self._view(whole, number)

    def _laid_out(self) -> Tensor:
        buffer = np.zeros(max(self._bytes, 1), dtype=np.uint8)
        for start, array in zip(self._starts, self._arrays, strict=True):
            buffer[start : start + array.nbytes] = array.reshape(-1).view(np.uint8)
        return torch.from_numpy(buffer)

    def _view(self, whole: Tensor, number: int) -> Tensor:
        array, start = self._arrays[number], self._starts[number]
        dtype = torch.from_numpy(np.empty(0, array.dtype)).dtype
        return whole[start : start + array.nbytes].view(dtype).view(array.shape)
