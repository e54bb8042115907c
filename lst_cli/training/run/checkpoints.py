"""Training checkpoints on disk, as fairseq2's checkpoint manager lays them out.

``step_N/model/pp_00/tp_00/sdp_RR.pt`` holds the weights (one file for each FSDP shard), ``optimizer/`` likewise,
``trainer/rank_RR.pt`` and ``data_reader/dp_RR.pt`` the state of every process. A checkpoint is written as
``step_N.tmp`` and renamed when it is complete.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.errors import LstError

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "checkpoints"
"""Name of the folder of checkpoints in a run's working folder."""

DAMAGED_SUFFIX = ".damaged"


@dataclass(frozen=True)
class Damaged:
    """A damaged checkpoint, renamed."""

    step: int
    reason: str


def steps(folder: Path) -> list[int]:
    """Steps of the complete checkpoints below ``folder``, oldest first."""
    if not folder.is_dir():
        return []
    names = (path.name for path in folder.iterdir() if path.is_dir())
    return sorted(int(name[5:]) for name in names if name.startswith("step_") and name[5:].isdecimal())


def last_step(folder: Path) -> int:
    """The newest checkpoint's step; 0 if there is none."""
    return max(steps(folder), default=0)


def best_step(folder: Path) -> int:
    """The checkpoint with the highest score, the earliest of equals; the newest if none has a score."""
    scores = [(-float(path.read_text()), int(path.stem[5:])) for path in (folder / "scores").glob("step_*.txt")]
    kept = set(steps(folder))
    return min(((score, step) for score, step in scores if step in kept), default=(0.0, last_step(folder)))[1]


def score_file(folder: Path, step: int) -> Path:
    """The file of a checkpoint's score, which validation writes."""
    return folder / "scores" / f"step_{step}.txt"


def remove_unfinished(folder: Path) -> None:
    """Remove checkpoints that were being written when a process ended."""
    for path in folder.glob("step_*.tmp"):
        shutil.rmtree(path)


def set_aside_damaged(folder: Path) -> list[Damaged]:
    """Rename the newest checkpoints that can't be read, so that training resumes from the last good one.

    Those stay on disk under another name, as evidence. Checks the structure and the CRC of every file of the newest
    checkpoint, and falls back to earlier ones until one is whole.
    """
    damaged = []
    for step in reversed(steps(folder)):
        path = folder / f"step_{step}"
        reason = _damage(path)
        if reason is None:
            break
        path.rename(path.with_name(path.name + DAMAGED_SUFFIX))
        damaged.append(Damaged(step, reason))
    return damaged


def _damage(path: Path) -> str | None:
    files = sorted(path.rglob("*.pt"))
    kinds = {file.relative_to(path).parts[0] for file in files}
    missing = {"model", "optimizer", "trainer", "data_reader"} - kinds
    if missing:
        return f"no {', '.join(sorted(missing))}"
    for file in files:
        try:
            with zipfile.ZipFile(file) as archive:
                bad = archive.testzip()
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            return f"{file.relative_to(path)}: {error}"
        if bad is not None:
            return f"{file.relative_to(path)}: wrong checksum of {bad}"
    return None


def sync(path: Path) -> None:
    """Flush a checkpoint to disk, so that it survives a power cut."""
    for entry in [*path.rglob("*"), path, path.parent]:
        handle = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def size_bytes(path: Path) -> int:
    """Bytes of all files of a checkpoint."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def weights(folder: Path, step: int) -> dict[str, Tensor]:
    """The full weights of a checkpoint; FSDP shards (along the first axis) are joined.

    :raises LstError: the checkpoint has no weights.
    """
    import torch

    files = sorted((folder / f"step_{step}" / "model" / "pp_00" / "tp_00").glob("sdp_*.pt"))
    if not files:
        raise LstError(f"{folder}: the checkpoint of step {step} has no weights", fix="run the command again")
    shards = [torch.load(file, map_location="cpu", weights_only=True, mmap=True) for file in files]
    if len(shards) == 1:
        return dict(shards[0])
    return {name: torch.cat([shard[name] for shard in shards if name in shard]) for name in shards[0]}
