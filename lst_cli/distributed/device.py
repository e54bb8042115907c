"""The device that a model runs on."""

from __future__ import annotations

import re
from typing import Literal

from lst_cli.errors import UserError

Precision = Literal["float32", "bfloat16"]
"""Of a model's weights and arithmetic; probabilities are always computed in float32."""


def pick_device(name: str, local_rank: int = 0, *, option: str = "--device") -> str:
    """The torch device for a setting. On a GPU this also turns TF32 off.

    :param name: ``cpu``, ``cuda`` (a different GPU for each rank of a machine), ``cuda:N``, or ``auto``: a GPU if
        there is one.
    :param local_rank: this process's number on its machine.
    :param option: what errors call the setting: ``--device``, or ``run.device`` of a config.
    :raises UserError: another name, or a GPU that the machine does not have.
    """
    import torch

    match = re.fullmatch(r"auto|cpu|cuda(?::(\d+))?", name)
    if match is None:
        raise UserError(f"{option} {name}", expected="auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if name != "cpu" else 0
    if name == "cpu" or (name == "auto" and not count):
        return "cpu"
    number = int(match[1]) if match[1] else local_rank % max(1, count)
    if number >= count:
        raise UserError(
            f"{option} {name}",
            found=f"{count} usable GPUs" if count else "no usable GPU",
            fix=f"see 'lst doctor', or set {option} to cpu",
        )
    exact_float32()
    return f"cuda:{number}"


def exact_float32() -> None:
    """Keep float32 products exact: TF32 rounds their factors to 10 bits. For speed there is bfloat16."""
    import torch

    torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]
    # The setting above leaves cuDNN's convolutions and recurrent layers alone, whose default is TF32.
    torch.backends.cudnn.allow_tf32 = False
