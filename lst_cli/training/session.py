"""From a job to a ``model`` artifact: train, or go on; then write what inference needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts import Draft, Request, Store
from lst_cli.training.checkpoints import FOLDER, last_step
from lst_cli.training.lines import Line, read_curve, write_curve
from lst_cli.training.model_artifact import ModelCard, save_model
from lst_cli.training.processes import world_size
from lst_cli.training.unfinished import Stopped

if TYPE_CHECKING:
    from fairseq2.datasets import DataReader
    from fairseq2.gang import Gangs
    from torch import Tensor

    from lst_cli.training.batches import TrainBatch
    from lst_cli.training.config import TrainConfig
    from lst_cli.training.families import FamilyConfig
    from lst_cli.training.job import Job, Validation
    from lst_cli.training.watch import Watch

METRICS_FILE = "metrics.jsonl"
"""The training curve: one line for each logged step."""


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Where a run lives."""

    request: Request
    """What it makes."""
    work: Path
    """What a restart needs; goes when the artifact is complete."""
    logs: Path
    """Log files and TensorBoard; stays."""

    @classmethod
    def of(cls, store: Store, request: Request) -> Folders:
        """The folders of a request's run, the same for all processes."""
        return cls(
            request=request,
            work=store.working_folder(request) / "parts",
            logs=store.root / "runs" / request.name / request.version,
        )

    @property
    def last_step(self) -> int:
        """The step that the run goes on from; 0 for a new one."""
        return last_step(self.work / FOLDER)


def make_job(
    config: TrainConfig,
    family: FamilyConfig,
    folders: Folders,
    show: Callable[[Line], None],
    make_reader: Callable[[Gangs, Watch], DataReader[TrainBatch]],
    *,
    accumulate: int,
    weights: Path | None = None,
    validation: Validation | None = None,
    scheduled: Callable[[int], Mapping[str, float]] = lambda step: {},
) -> Job:
    """The job that a config describes."""
    from lst_cli.training.job import Job

    return Job(
        family=family,
        make_reader=make_reader,
        steps=config.budget.steps,
        seed=config.seed,
        precision=config.precision,
        log_every=config.log_every,
        optimizer=config.optimizer,
        schedule=config.schedule,
        run=config.run,
        accumulate=accumulate,
        work=folders.work,
        logs=folders.logs,
        show=show,
        weights=weights,
        validation=validation,
        scheduled=scheduled,
    )


def train_to_the_end(job: Job) -> None:
    """Train, or go on.

    :raises Stopped: the run was stopped before its last step, or in the validation after it.
    :raises LstError: it failed.
    """
    from lst_cli.training.recipe import train

    reached = train(job)
    if reached.in_validation or not job.done(reached.step):
        where = "in the validation after" if job.done(reached.step) else "at"
        raise Stopped(
            f"training stopped {where} step {reached.step} of {job.steps}, as it was asked to",
            fix="run the same command again: it goes on from there",
        )


def write_model(
    draft: Draft, job: Job, card: ModelCard, *, tokenizer: Path, quantizer: Path, speech_bpe: Path | None
) -> None:
    """Write the artifact's files from the last checkpoint, or the best one."""
    from lst_cli.training.checkpoints import best_step, weights
    from lst_cli.training.snapshots import keep_snapshots

    step = last_step(job.checkpoints)
    chosen = best_step(job.checkpoints) if job.keeps_best else step
    lines = read_curve(job.curve)
    fill_model(
        draft,
        weights(job.checkpoints, chosen),
        card,
        lines,
        {"steps": step, "chosen_step": chosen},
        tokenizer=tokenizer,
        quantizer=quantizer,
        speech_bpe=speech_bpe,
    )
    write_curve(job.logs / METRICS_FILE, lines)
    keep_snapshots(job)


def fill_model(
    draft: Draft,
    state: Mapping[str, Tensor],
    card: ModelCard,
    lines: Sequence[Line],
    reached: Mapping[str, int],
    *,
    tokenizer: Path,
    quantizer: Path,
    speech_bpe: Path | None,
) -> None:
    """Write the artifact's files.

    :param state: the weights.
    :param lines: the curve up to them, with timing where it is known.
    :param reached: steps, for the manifest.
    """
    from lst_cli.model.model import build_model
    from lst_cli.training.curve import reproducible

    model = build_model(card.architecture, card.vocabulary.size)
    model.load_state_dict(state)
    save_model(draft.path, model, card, tokenizer=tokenizer, quantizer=quantizer, speech_bpe=speech_bpe)
    write_curve(draft.path / METRICS_FILE, [reproducible(line) for line in lines])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    draft.statistics.update({"parameters": parameters, **reached, **_figures(lines)})


def _figures(lines: Sequence[Line]) -> dict[str, Any]:
    """Figures for the manifest. What is under ``timing`` is measured, and differs from run to run."""
    train = [line for line in lines if line["split"] == "train"]
    if not train:
        return {}
    last = train[-1]
    seconds = last.get("seconds", 0.0)
    return {
        "tokens": last["tokens"],
        "positions": last["positions"],
        "speech_tokens": last["speech_tokens"],
        "flops": last["flops"],
        "loss": last["loss"],
        "timing": {
            "seconds": seconds,
            "tokens_per_second": last["tokens"] / seconds if seconds else None,
            "positions_per_second": last["positions"] / seconds if seconds else None,
            "processes": world_size(),
        },
    }
