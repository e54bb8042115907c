"""Training runs below a root: which there are, how far each is, and its curve. Imports nothing heavy."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.model_artifact.card import MODEL
from lst_cli.renamed_keys import with_new_keys
from lst_cli.training.metrics.metrics_log import Line, read_curve
from lst_cli.training.run.unfinished import Unfinished, unfinished

State = Literal["running", "done", "stopped", "failed"]
"""``failed`` is also a run that was killed: the same command goes on with it."""

KILLED = "killed: it left no word"
CURVE_FILE = "curve.jsonl"
METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run, done or not."""

    name: str
    version: str
    state: State
    why: str
    """Of a run that stopped or failed."""
    step: int
    """The last step whose checkpoint is kept; of a running one, the last in its curve."""
    steps: int
    identity: Mapping[str, Any]
    """Config and parents."""
    lines: Sequence[Line]
    """The curve, with timing where that is on disk."""
    changed: float
    """Seconds since 1970 of the last sign of life."""

    @property
    def label(self) -> str:
        """Name and version, as ``show`` and ``compare`` take it."""
        return f"{self.name}/{self.version}"

    @property
    def config(self) -> Mapping[str, Any]:
        """What the run was told."""
        config: Mapping[str, Any] = self.identity["config"]
        return config

    @property
    def task(self) -> str:
        """``pretrain``, ``asr``, …"""
        return str(self.config.get("task", "?"))

    @property
    def when(self) -> str:
        """Time of the last sign of life."""
        return datetime.fromtimestamp(self.changed, timezone.utc).strftime("%Y-%m-%d %H:%M")

    def last(self, figure: str) -> float | None:
        """A figure of the last line of training that has it."""
        found = [line[figure] for line in self.lines if line["split"] == "train" and figure in line]
        return found[-1] if found else None

    @property
    def curve(self) -> dict[int, Line]:
        """The lines of training, by step."""
        return {line["step"]: line for line in self.lines if line["split"] == "train"}

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        figures = {name: self.last(name) for name in FIGURES}
        return {
            **{key: getattr(self, key) for key in ("name", "version", "state", "why", "task", "step", "steps", "when")},
            **figures,
        }


FIGURES = (
    *("loss", "loss_speech", "loss_text_with_speech", "loss_text_only", "speech_bits_per_second"),
    *("tokens", "positions", "positions_per_second", "data_wait_share", "padding_share", "utilisation"),
)
"""Figures of a run's last line that are told of it."""


def runs(store: Store) -> list[Run]:
    """Every run, the one that last gave a sign of life first; without those that are removed while this looks."""
    # Runs that have not ended come first: one that is done meanwhile stands among the models then.
    begun = list(_begun_runs(store.root / MODEL.name))
    done = list(_done_runs(store))
    models = {run.label for run in done}
    found = [*done, *(run for run in begun if run.label not in models)]
    return sorted(found, key=lambda run: (-run.changed, run.label))


def find_run(found: Sequence[Run], reference: str) -> Run:
    """The run that ``NAME`` (its newest) or ``NAME/VERSION`` means; ``model/`` before it is allowed.

    :raises UserError: there is none.
    """
    name, _, version = reference.removeprefix(f"{MODEL.name}/").partition("/")
    matching = [run for run in found if run.name == name and run.version.startswith(version)]
    if not matching:
        raise UserError(
            f"{reference}: no such run",
            found=", ".join(sorted({run.name for run in found})) or "no run at all",
            expected="NAME or NAME/VERSION",
            fix="see 'lst runs ls', or give another --root",
        )
    return matching[0]


def last_in_common(*compared: Run) -> int | None:
    """The last step that the curves of all these runs have a line of training for."""
    return max(set.intersection(*(set(run.curve) for run in compared)), default=None)


def settings(run: Run) -> Iterator[tuple[str, Any]]:
    """Every key of a run's config and every parent, flat."""
    for key, value in (*run.config.items(), *run.identity["parents"].items()):
        yield from _flat(str(key), value)


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for inner, below in value.items():
            yield from _flat(f"{key}.{inner}", below)
    else:
        yield key, value


def _done_runs(store: Store) -> Iterator[Run]:
    for artifact in store.all():
        if artifact.kind == MODEL.name and "budget" in artifact.config:
            with suppress(FileNotFoundError):
                yield _done(store, artifact)


def _begun_runs(models: Path) -> Iterator[Run]:
    for name in sorted(path for path in models.glob("*") if path.is_dir()):
        for run in unfinished(name):
            with suppress(FileNotFoundError):
                yield _begun(run, name.name)


def _done(store: Store, artifact: Artifact) -> Run:
    parents = {role: parent.reference for role, parent in artifact.parents.items()}
    timed = store.root / "runs" / artifact.name / artifact.version / METRICS_FILE
    lines = read_curve(timed) or read_curve(artifact.path / METRICS_FILE)
    steps = int(artifact.statistics.get("steps", artifact.config["budget"]["steps"]))
    return Run(
        name=artifact.name,
        version=artifact.version,
        state="done",
        why="",
        step=steps,
        steps=steps,
        identity=json.loads(json.dumps({"config": with_new_keys(artifact.config), "parents": parents})),
        lines=lines,
        changed=datetime.fromisoformat(artifact.created).timestamp(),
    )


def _begun(run: Unfinished, name: str) -> Run:
    curve = run.work / CURVE_FILE
    lines = read_curve(curve)
    state: State = "running" if _locked(run.folder) else "stopped" if run.ended.get("how") == "stopped" else "failed"
    seen = max(lines[-1]["step"] if lines else 0, run.step)
    return Run(
        name=name,
        version=run.version,
        state=state,
        why="" if state == "running" else run.ended.get("why", KILLED),
        step=seen if state == "running" else run.step,
        steps=run.steps,
        identity=run.identity,
        lines=lines,
        changed=max(path.stat().st_mtime for path in (run.work, *([curve] if lines else []))),
    )


def _locked(folder: Path) -> bool:
    """Whether a process is making what this is the working folder of."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
