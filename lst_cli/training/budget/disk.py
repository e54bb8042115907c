"""Disk space for checkpoints, and the error when it runs out."""

from __future__ import annotations

import shutil
from pathlib import Path

from lst_cli.errors import UserError, causes, is_disk_full
from lst_cli.training.config.train_config import RunSection
from lst_cli.training.run.checkpoints import last_step, size_bytes, steps

_BYTES_OF_CHECKPOINT = 12
"""For each parameter: weight and both averages of AdamW, in float32."""
_BYTES_OF_MODEL = 4
_SPARE = 1.05


def checkpoint_bytes(parameters: int) -> int:
    """Size of a checkpoint."""
    return _BYTES_OF_CHECKPOINT * parameters


def most_checkpoints(run: RunSection, last: int, *, best: bool = False) -> int:
    """Maximum number of checkpoints on disk: those that are kept, and the one being written.

    :param last: the run's last step.
    :param best: the best one is kept, too.
    """
    return run.keep_checkpoints + 1 + best + (last // run.keep_every if run.keep_every else 0)


def needed_bytes(parameters: int, checkpoints: int, *, initial: bool = False) -> int:
    """Peak disk use of a run: checkpoints and the model.

    :param initial: its initial weights are written, too.
    """
    return int(_SPARE * (checkpoints * checkpoint_bytes(parameters) + (1 + initial) * _BYTES_OF_MODEL * parameters))


def check_room(folder: Path, parameters: int, checkpoints: int) -> None:
    """Refuse a run that needs more disk space than is free, before anything is allocated.

    :param checkpoints: the maximum number on disk.
    :raises UserError: there is too little space; the error says how much is needed.
    """
    present = sum(size_bytes(folder / f"step_{step}") for step in steps(folder))
    needed = max(needed_bytes(parameters, checkpoints) - present, 0)
    free = shutil.disk_usage(_existing(folder)).free
    if free < needed:
        raise UserError(
            f"{folder}: too little disk space for the checkpoints",
            found=f"{_mb(free)} free",
            expected=f"{_mb(needed)}: {checkpoints} checkpoints of {_mb(checkpoint_bytes(parameters))}, and the model",
            fix="free some space, set --root or LST_ROOT to another disk, lower run.keep_checkpoints, or raise "
            "run.keep_every",
        )


def full_disk(error: BaseException, folder: Path) -> UserError | None:
    """The error to raise if another one was caused by a full disk; None otherwise.

    Removes unfinished checkpoints; the last complete one stays.
    """
    for seen in causes(error):
        if is_disk_full(seen):
            for unfinished in folder.glob("step_*.tmp"):
                shutil.rmtree(unfinished, ignore_errors=True)
            last = last_step(folder)
            return UserError(
                f"{getattr(seen, 'filename', None) or folder}: the disk is full",
                found=f"{_mb(shutil.disk_usage(_existing(folder)).free)} free",
                expected="space for the next checkpoint and the logs",
                fix="free some space and run the same command again: it "
                + (f"resumes from step {last}" if last else "starts over, because no checkpoint was saved yet"),
            )
    return None


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
