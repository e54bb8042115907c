"""Checkpoints for another number of processes, or another way of sharing the model out between them.

Weights and AdamW's averages are sharded along the first axis, as FSDP2 does. Every process's file of the reader's state
holds all streams, so it serves any process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from lst_cli.training.metrics.metric_sums import TOTAL

_NEW = ".refit"
_OLD = ".old"


@dataclass(frozen=True)
class CheckpointLayout:
    """Who saves what."""

    processes: int
    shards: int
    """Processes that share one copy of the model."""

    @classmethod
    def of(cls, checkpoint: Path) -> CheckpointLayout:
        """The layout of a checkpoint."""
        return cls(
            processes=len(list((checkpoint / "trainer").glob("rank_*.pt"))),
            shards=len(list(_shards(checkpoint, "model"))),
        )


def refit(checkpoint: Path, layout: CheckpointLayout) -> bool:
    """Rewrite a checkpoint for a layout; False when it has that layout already."""
    if CheckpointLayout.of(checkpoint) == layout:
        return False
    new, old = checkpoint.with_name(checkpoint.name + _NEW), checkpoint.with_name(checkpoint.name + _OLD)
    shutil.rmtree(new, ignore_errors=True)
    _write_weights(checkpoint, new, layout)
    _write_optimizer(checkpoint, new, layout)
    _write_trainers(checkpoint, new, layout)
    for process in range(layout.processes):
        _copy(checkpoint / "data_reader" / "dp_00.pt", new / "data_reader" / f"dp_{process:02d}.pt")
    checkpoint.rename(old)
    new.rename(checkpoint)
    shutil.rmtree(old)
    return True


def recover(folder: Path) -> None:
    """Repair the state after a crash in :func:`refit`."""
    for old in folder.glob(f"step_*{_OLD}"):
        checkpoint = old.with_name(old.name.removesuffix(_OLD))
        if checkpoint.exists():
            shutil.rmtree(old)
        else:
            old.rename(checkpoint)
    for new in folder.glob(f"step_*{_NEW}"):
        shutil.rmtree(new)


def accept_local_state(optimizer: Optimizer) -> None:
    """Let an optimizer over sharded parameters load state that is sharded by :func:`refit`."""

    def wrap(_: Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for index, state in saved["state"].items():
            parameter = parameters[index]
            if isinstance(parameter, DTensor):
                state.update({name: _like(parameter, value) for name, value in state.items()})
        return saved

    optimizer.register_load_state_dict_pre_hook(wrap)


def _like(parameter: DTensor, value: Any) -> Any:
    if not isinstance(value, Tensor) or isinstance(value, DTensor) or not value.dim():
        return value
    return DTensor.from_local(
        value.to(parameter.device),
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )


def _shards(checkpoint: Path, kind: str) -> Iterator[Path]:
    return iter(sorted((checkpoint / kind / "pp_00" / "tp_00").glob("sdp_*.pt")))


def _load(path: Path) -> dict[str, Any]:
    # Written by this run itself; the optimizer's file holds more than tensors.
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False, mmap=True)
    return state


def _save(state: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _cut(pieces: Sequence[Tensor], shard: int, shards: int) -> Tensor:
    """One of the parts of a stored tensor, as ``torch.chunk`` divides it. Reads no other part."""
    local = [piece.to_local() if isinstance(piece, DTensor) else piece for piece in pieces]
    rows = sum(len(piece) for piece in local)
    size = -(-rows // shards)
    first, last = min(shard * size, rows), min((shard + 1) * size, rows)
    parts, start = [], 0
    for piece in local:
        parts.append(piece[max(first - start, 0) : max(last - start, 0)])
        start += len(piece)
    return torch.cat(parts)


def _write_weights(checkpoint: Path, new: Path, layout: CheckpointLayout) -> None:
    sources = [_load(path) for path in _shards(checkpoint, "model")]
    for shard in range(layout.shards):
        state = {name: _cut([source[name] for source in sources], shard, layout.shards) for name in sources[0]}
        _save(state, new / "model" / "pp_00" / "tp_00" / f"sdp_{shard:02d}.pt")


def _write_optimizer(checkpoint: Path, new: Path, layout: CheckpointLayout) -> None:
    sources = [_load(path) for path in _shards(checkpoint, "optimizer")]
    first = sources[0]
    for shard in range(layout.shards):
        state = {
            index: {
                name: _cut([source["state"][index][name] for source in sources], shard, layout.shards)
                if isinstance(value, Tensor) and value.dim()
                else value
                for name, value in values.items()
            }
            for index, values in first["state"].items()
        }
        _save({**first, "state": state}, new / "optimizer" / "pp_00" / "tp_00" / f"sdp_{shard:02d}.pt")


def _write_trainers(checkpoint: Path, new: Path, layout: CheckpointLayout) -> None:
    """The first process gets the counts of all; everything else is equal in all processes."""
    states = [_load(path) for path in sorted((checkpoint / "trainer").glob("rank_*.pt"))]
    counted = sum(state["_metric_bag"][TOTAL]["sums"] for state in states)
    for process in range(layout.processes):
        sums = counted if process == 0 else torch.zeros_like(counted)
        bag = {**states[0]["_metric_bag"], TOTAL: {"sums": sums}}
        _save({**states[0], "_metric_bag": bag}, new / "trainer" / f"rank_{process:02d}.pt")
