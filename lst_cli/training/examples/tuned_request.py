"""Requests of models that are tuned on a file of examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Artifact, Request
from lst_cli.config import to_dict
from lst_cli.distributed.launcher import world_size
from lst_cli.errors import UserError
from lst_cli.model_artifact.card import MODEL

if TYPE_CHECKING:
    from lst_cli.training.config.train_config import TrainConfig


def tuned_request(
    config: TrainConfig, task: str, model: Artifact, what: str, file: Path, tokens: Artifact | None, name: str
) -> Request:
    """The requested model. The section ``run`` is not part of its identity; the file's name and checksum are.

    :param task: joins the tasks of the model that it begins from: what could transcribe or speak still can.
    :param what: the contents of the file.
    :raises UserError: the file can't be read.
    """
    from lst_cli.evaluation.scores import file_sum

    identity: dict[str, Any] = to_dict(config)
    del identity["run"]
    before = str(model.config.get("task", "pretrain")).split(",")
    identity["task"] = ",".join([*(each for each in before if each not in ("pretrain", task)), task])
    identity |= {f"{what}_file": file.name, f"{what}_sha256": file_sum(file)}
    parents = {"model": model, **({"tokens": tokens} if tokens is not None else {})}
    return Request(kind=MODEL, name=name, config=identity, parents=parents)


def check_per_step(name: str, examples: int) -> int:
    """Share the examples of a step out evenly; those of one process.

    :raises UserError: names the key.
    """
    if examples % world_size():
        raise UserError(
            f"{name}: {examples} can't be divided among {world_size()} processes",
            fix=f"change {name} (which makes another model), or the number of processes",
        )
    return examples // world_size()
