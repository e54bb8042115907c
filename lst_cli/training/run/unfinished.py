"""Unfinished runs of a model name; resuming one with a changed config is refused. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lst_cli.artifacts import Request, Store
from lst_cli.artifacts.leftovers import discard_work, worker
from lst_cli.artifacts.parquet import write_bytes_atomic
from lst_cli.console import warn
from lst_cli.errors import LstError, UserError
from lst_cli.json_text import parse_json
from lst_cli.renamed_keys import with_new_keys
from lst_cli.training.run.checkpoints import FOLDER, last_step

_FILE = "run.json"
_ENDED = "ended.json"
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A run with a checkpoint and without an artifact."""

    folder: Path
    """The draft's working folder."""
    version: str
    step: int
    steps: int
    identity: Mapping[str, Any]
    """Config and parents."""
    ended: Mapping[str, str]
    """``how`` the run ended (``stopped``, ``failed``) and ``why``; empty while it runs, and when it was killed."""

    @property
    def work(self) -> Path:
        """The run's checkpoints and its metrics log."""
        return self.folder / "parts"


class Stopped(LstError):
    """A run that was stopped on request before its last step."""


@contextmanager
def noted(request: Request, work: Path, steps: int) -> Iterator[None]:
    """Write the run's identity next to the checkpoints, and how it ended, unless it was killed or is done."""
    identity = {"version": request.version, "steps": steps, **_identity(request)}
    write_bytes_atomic(work / _FILE, json.dumps(identity, indent=2, ensure_ascii=False).encode())
    (work / _ENDED).unlink(missing_ok=True)
    try:
        yield
    except BaseException as error:
        how = "stopped" if isinstance(error, Stopped) else "failed"
        why = error.what if isinstance(error, LstError) else f"{type(error).__name__}: {error}"
        with suppress(OSError):  # the disk may be full: what went wrong matters more
            write_bytes_atomic(work / _ENDED, json.dumps({"how": how, "why": why}).encode())
        raise


def identity_of(work: Path) -> dict[str, Any]:
    """Config and parents of the run whose checkpoints are there; empty if :func:`noted` wrote nothing."""
    path = work / _FILE
    if not path.is_file():
        return {}
    data: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
    return {key: data[key] for key in ("config", "parents")}


def resumable(parts: Path) -> bool:
    """Whether a command would resume from the finished parts in a working folder.

    From those of a training run, if it has a checkpoint; from those of other stages always.
    """
    return bool(last_step(parts / FOLDER)) if (parts / _FILE).is_file() else any(parts.iterdir())


def unfinished(folder: Path) -> Iterator[Unfinished]:
    """The unfinished runs below ``ROOT/model/NAME``, without those that end or are removed while this looks."""
    for path in sorted(folder.glob(f".*.partial/parts/{_FILE}")):
        try:
            run = _read(path)
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            warn(f"skipped an unfinished run: {path} is damaged ({type(error).__name__}: {error})")
            continue
        yield run


def _read(path: Path) -> Unfinished:
    data = parse_json(path.read_text(encoding="utf-8"))
    ended = path.with_name(_ENDED)
    return Unfinished(
        folder=path.parents[1],
        version=data.pop("version"),
        step=last_step(path.parent / FOLDER),
        steps=data.pop("steps", data["config"]["budget"]["steps"]),
        identity={**data, "config": with_new_keys(data["config"])},
        ended=parse_json(ended.read_text(encoding="utf-8")) if ended.is_file() else {},
    )


def check_unchanged(store: Store, request: Request, *, fresh: bool) -> None:
    """Refuse to start if there is an unfinished run of another config with the same name.

    :param fresh: remove the unfinished run instead.
    :raises UserError: lists what differs; or, with ``fresh``, a process is training that run.
    """
    name = store.folder(request).parent
    for run in unfinished(name):
        if run.version == request.version or not run.step:
            continue
        if fresh:
            if not discard_work(run.folder):
                raise UserError(
                    f"model/{request.name}: --fresh can't remove the run {run.version}, which is being trained",
                    found=str(worker(run.folder) or "another process"),
                    fix="stop that process first, or give another --name",
                )
            continue
        changes = [f"{key}: {old} -> {new}" for key, old, new in differences(run.identity, _identity(request))]
        more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        raise UserError(
            f"model/{request.name}: an unfinished run of another config is at step {run.step} of {run.steps}",
            found="; ".join(changes[:_SHOWN]) + more,
            expected="the config that the run was started with",
            fix="undo the changes to resume it, choose another --name, or discard it with --fresh",
        )


def differences(old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The differences of two trees of plain data: dotted key, old and new value."""
    yield from _differences(old, new, "")


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif old != new:
        yield path, old, new


def _identity(request: Request) -> dict[str, Any]:
    parents = {role: artifact.reference for role, artifact in request.parents.items()}
    # Tuples become lists, as they do on disk.
    plain: dict[str, Any] = json.loads(json.dumps({"config": request.config, "parents": parents}))
    return plain
