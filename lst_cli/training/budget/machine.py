"""The hardware that a run is planned for."""

from __future__ import annotations

from dataclasses import dataclass

NODE_WRITES = 1e9
"""Bytes per second that a node writes to the checkpoints' disk. An assumption, not measured."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The hardware of the planned run."""

    gpu: str
    """Part of its name, such as H100."""
    gpus: int
    mfu: float
    """Assumed share of the bfloat16 peak, including recomputed activations."""
    per_node: int = 8
    """GPUs of a node: ``run.hsdp`` shards within one."""

    @property
    def nodes(self) -> int:
        """Nodes of the run."""
        return -(-self.gpus // self.per_node)
