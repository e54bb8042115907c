"""The defaults of a training step that depend on the device, for the trainer and the benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairseq2.recipe.config import AdamWConfig, AdamWGroupConfig

if TYPE_CHECKING:
    from lst_cli.training.config.train_config import OptimizerSection, RunSection


def adamw(optimizer: OptimizerSection, device_type: str) -> AdamWConfig:
    """AdamW; on a GPU one fused kernel reads and writes each weight and moment once."""
    return AdamWConfig(
        lr=optimizer.lr,
        betas=optimizer.betas,
        eps=optimizer.eps,
        weight_decay=optimizer.weight_decay,
        impl="fused" if device_type == "cuda" else "auto",
        groups=[
            AdamWGroupConfig(params=rf"(module\.)?{name}\..*", lr=optimizer.lr * scale)
            for name, scale in optimizer.lr_scale.items()
        ],
    )


def compiles(run: RunSection, device_type: str) -> bool:
    """Whether layers are compiled: as the config says, by default on GPUs."""
    return device_type == "cuda" if run.compile is None else run.compile
