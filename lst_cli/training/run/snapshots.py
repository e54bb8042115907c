"""Checkpoints of a finished run (``run.keep_every``), exported as ``model`` artifacts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.errors import UserError
from lst_cli.model_artifact.card import MODEL
from lst_cli.renamed_keys import with_former_keys, with_new_keys
from lst_cli.training.run.checkpoints import FOLDER, steps

if TYPE_CHECKING:
    from lst_cli.training.engine.job import Job


def keep_snapshots(job: Job) -> None:
    """Keep the weights of the kept checkpoints with the run's logs, except the last step's, which are the model."""
    every = job.config.run.keep_every
    for step in steps(job.checkpoints):
        if not every or step % every or step == job.steps:
            continue
        source = job.checkpoints / f"step_{step}" / "model"
        target = job.folders.logs / FOLDER / f"step_{step}" / "model"
        unfinished = target.with_suffix(".tmp")
        for old in (unfinished, target):  # from a killed run, or from a run of the same config whose model was removed
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(source, unfinished, copy_function=_link)
        unfinished.rename(target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without hard links
        shutil.copy2(source, target)


def snapshots(store: Store, model: Artifact) -> list[int]:
    """Steps of a finished run that can be exported, oldest first."""
    return steps(_folder(store, model))


def snapshot_request(store: Store, model: Artifact, step: int, name: str) -> Request:
    """The model of a step, with the parents of the run.

    :param model: the model that the run made.
    :raises UserError: that step was not kept, or a parent is missing on disk.
    """
    kept = snapshots(store, model)
    if step not in kept:
        raise UserError(
            f"{model.reference}: the weights of step {step} were not kept",
            found=f"kept: {', '.join(map(str, kept))}" if kept else "only those of the last step",
            fix="name one of these steps, or train with run.keep_every",
        )
    return Request(
        kind=MODEL,
        name=name,
        config={**with_new_keys(model.config), "snapshot": step},
        hashed={**with_former_keys(model.config), "snapshot": step},
        parents={role: store.find_any(parent.reference) for role, parent in model.parents.items()},
    )


def make_snapshot(store: Store, model: Artifact, step: int) -> Callable[[Draft], None]:
    """The function that fills the draft."""

    def fill(draft: Draft) -> None:
        from lst_cli.model_artifact.card import QUANTIZER_FILE, SPEECH_BPE_FILE, read_card
        from lst_cli.training.metrics.metrics_log import METRICS_FILE, read_metrics_log
        from lst_cli.training.run.checkpoints import weights
        from lst_cli.training.run.model_files import fill_model

        card = read_card(model)
        records = read_metrics_log(_logs(store, model) / METRICS_FILE) or read_metrics_log(model.file(METRICS_FILE))
        fill_model(
            draft,
            weights(_folder(store, model), step),
            card,
            [record for record in records if record["step"] <= step],
            {"steps": step, "chosen_step": step},
            tokenizer=model.file(card.tokenizer_file),
            quantizer=model.file(QUANTIZER_FILE),
            speech_bpe=model.file(SPEECH_BPE_FILE) if card.speech_bpe is not None else None,
        )
        # Count the processes that trained it, not this one.
        draft.statistics["timing"]["processes"] = model.statistics["timing"]["processes"]

    return fill


def _logs(store: Store, model: Artifact) -> Path:
    return store.root / "runs" / model.name / model.version


def _folder(store: Store, model: Artifact) -> Path:
    return _logs(store, model) / FOLDER
