"""Training runs below a root: their state, progress and metrics log. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.leftovers import worker
from lst_cli.errors import UserError
from lst_cli.model_artifact.card import MODEL
from lst_cli.renamed_keys import with_new_keys
from lst_cli.training.metrics.metrics_log import METRICS_FILE, WORKING_FILE, Record, read_metrics_log
from lst_cli.training.run.unfinished import Unfinished, unfinished

RunState = Literal["running", "done", "stopped", "failed"]
"""A killed run is ``failed``, too: the same command resumes it."""

KILLED = "killed: it left no error message"


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One training run, done or not."""

    name: str
    version: str
    state: RunState
    why: str
    """Why it stopped or failed; empty otherwise."""
    step: int
    """The last step with a checkpoint; of a running one, the last step in its metrics log."""
    steps: int
    identity: Mapping[str, Any]
    """Config and parents."""
    records: Sequence[Record]
    """The metrics log, with timing if that is on disk."""
    changed: float
    """Time of the last change, in seconds since 1970."""

    @property
    def label(self) -> str:
        """Name and version, as ``show`` and ``compare`` take it."""
        return f"{self.name}/{self.version}"

    @property
    def config(self) -> Mapping[str, Any]:
        """The run's config."""
        config: Mapping[str, Any] = self.identity["config"]
        return config

    @property
    def task(self) -> str:
        """``pretrain``, ``asr``, …"""
        return str(self.config.get("task", "?"))

    @property
    def when(self) -> str:
        """Time of the last change (UTC)."""
        return datetime.fromtimestamp(self.changed, timezone.utc).strftime("%Y-%m-%d %H:%M")

    def last(self, figure: str) -> float | None:
        """A figure of the last training record that has it."""
        found = [record[figure] for record in self.records if record["split"] == "train" and figure in record]
        return found[-1] if found else None

    @property
    def training(self) -> dict[int, Record]:
        """The training records, by step."""
        return {record["step"]: record for record in self.records if record["split"] == "train"}

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        figures = {name: self.last(name) for name in FIGURES}
        return {
            **{key: getattr(self, key) for key in ("name", "version", "state", "why", "task", "step", "steps", "when")},
            **figures,
        }


FIGURES = (
    *("loss", "loss_speech", "loss_text_with_speech", "loss_text_only", "speech_bits_per_second"),
    *("tokens", "positions", "positions_per_second", "data_wait_share", "padding_share", "mfu"),
)
"""Figures of a run's last training record that are shown."""


def runs(store: Store) -> list[TrainingRun]:
    """Every run, the most recently changed first, except those that are removed meanwhile."""
    # Unfinished runs are read first: one that finishes meanwhile is found among the models then.
    begun = list(_begun_runs(store.root / MODEL.name))
    done = list(_done_runs(store))
    models = {run.label for run in done}
    found = [*done, *(run for run in begun if run.label not in models)]
    return sorted(found, key=lambda run: (-run.changed, run.label))


def find_run(found: Sequence[TrainingRun], reference: str) -> TrainingRun:
    """The run that ``NAME`` (its newest) or ``NAME/VERSION`` means; ``model/`` before it is allowed.

    :raises UserError: there is none.
    """
    name, _, version = reference.removeprefix(f"{MODEL.name}/").partition("/")
    matching = [run for run in found if run.name == name and run.version.startswith(version)]
    if not matching:
        raise UserError(
            f"{reference}: no such run",
            found=", ".join(sorted({run.name for run in found})) or "no runs",
            expected="NAME or NAME/VERSION",
            fix="run 'lst runs ls' for a list, or set --root",
        )
    return matching[0]


def last_in_common(*compared: TrainingRun) -> int | None:
    """The last step that all these runs have a training record of."""
    return max(set.intersection(*(set(run.training) for run in compared)), default=None)


def settings(run: TrainingRun) -> Iterator[tuple[str, Any]]:
    """Every key of a run's config, and every parent, flattened."""
    for key, value in (*run.config.items(), *run.identity["parents"].items()):
        yield from _flat(str(key), value)


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for inner, below in value.items():
            yield from _flat(f"{key}.{inner}", below)
    else:
        yield key, value


def _done_runs(store: Store) -> Iterator[TrainingRun]:
    for artifact in store.all():
        if artifact.kind == MODEL.name and "budget" in artifact.config:
            with suppress(FileNotFoundError):
                yield _done(store, artifact)


def _begun_runs(models: Path) -> Iterator[TrainingRun]:
    for name in sorted(path for path in models.glob("*") if path.is_dir()):
        for run in unfinished(name):
            with suppress(FileNotFoundError):
                yield _begun(run, name.name)


def _done(store: Store, artifact: Artifact) -> TrainingRun:
    parents = {role: parent.reference for role, parent in artifact.parents.items()}
    timed = store.root / "runs" / artifact.name / artifact.version / METRICS_FILE
    records = read_metrics_log(timed) or read_metrics_log(artifact.path / METRICS_FILE)
    steps = int(artifact.statistics.get("steps", artifact.config["budget"]["steps"]))
    return TrainingRun(
        name=artifact.name,
        version=artifact.version,
        state="done",
        why="",
        step=steps,
        steps=steps,
        identity=json.loads(json.dumps({"config": with_new_keys(artifact.config), "parents": parents})),
        records=records,
        changed=datetime.fromisoformat(artifact.created).timestamp(),
    )


def _begun(run: Unfinished, name: str) -> TrainingRun:
    log = run.work / WORKING_FILE
    records = read_metrics_log(log)
    state: RunState = "running" if worker(run.folder) else "stopped" if run.ended.get("how") == "stopped" else "failed"
    seen = max(records[-1]["step"] if records else 0, run.step)
    return TrainingRun(
        name=name,
        version=run.version,
        state=state,
        why="" if state == "running" else run.ended.get("why", KILLED),
        step=seen if state == "running" else run.step,
        steps=run.steps,
        identity=run.identity,
        records=records,
        changed=max(path.stat().st_mtime for path in (run.work, *([log] if records else []))),
    )
