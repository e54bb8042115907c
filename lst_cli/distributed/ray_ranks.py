"""``lst --engine ray``: the ranks of a shared stage as tasks of a Ray cluster.

A task is a process that runs the same command as a rank that starts and ends independently
(:func:`lst_cli.distributed.launcher.sharing_rank`). Ray chooses the machine, and restarts a task that was lost with
its machine: the task then finds what is left to do.
"""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import typer

from lst_cli.artifacts.paths import temporary
from lst_cli.console import print_error, progress, warn
from lst_cli.distributed import launcher
from lst_cli.errors import LstError, UserError
from lst_cli.version import __version__

_RETRIES = 10
"""Restarts of a lost rank. Losing a rank for good does no harm while another one runs."""

_CONNECT_S = 10.0
_LOOK_EVERY_S = 2.0
_STOP_S = 60.0
"""Ranks that are no longer needed have this long to exit."""


@dataclass(frozen=True, kw_only=True)
class RayOptions:
    """The options of Ray."""

    ranks: int | None
    """None for as many as the cluster has room for."""
    cpus: int
    """Of each rank."""


@dataclass(frozen=True, kw_only=True)
class RankCommand:
    """What a rank runs, on any machine."""

    arguments: tuple[str, ...]
    """Of ``lst``."""
    folder: str
    """The working directory."""
    mark: Path
    """A file below the root during the run: machines that see it share the root."""
    run: str
    ranks: int
    version: str = __version__

    def __call__(self, number: int) -> tuple[int, str]:
        """Run the command in this process as the rank of a number; returns its exit code and what it printed.

        :raises UserError: this machine has another ``lst``, or does not share the root.
        """
        where = f"rank {number} on {os.uname().nodename}"
        if self.version != __version__:
            raise UserError(f"{where}: another version of lst", found=__version__, expected=self.version)
        if not self.mark.exists():
            raise UserError(
                f"{where}: does not share the artifact root",
                found=f"no {self.mark}",
                expected="a root on a file system that all machines of the cluster mount at the same path",
                fix="give such a folder with --root or LST_ROOT",
            )
        os.chdir(self.folder)
        for name in launcher.TOGETHER:  # of the launcher that started Ray
            os.environ.pop(name, None)
        os.environ.update({launcher.RUN: self.run, launcher.NUMBER: str(number), launcher.RANKS: str(self.ranks)})
        sys.argv = ["lst", *self.arguments]
        printed, code = StringIO(), 0
        with redirect_stderr(printed):
            try:
                import_module("lst_cli.main").main()
            except SystemExit as leaving:
                code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        return code, printed.getvalue()


def run_on_ray(
    options: RayOptions,
    arguments: Sequence[str],
    root: Path,
    device: str | None,
    *,
    finished: Callable[[], bool],
    parts: Path,
) -> None:
    """Run a command of ``lst`` as ranks on Ray until its artifact is made.

    The cluster is that of the environment variable ``RAY_ADDRESS``, otherwise one that runs on this machine, otherwise
    a new one on this machine.

    :param arguments: without the program.
    :param device: ``--device`` of a stage that runs a model; None for others.
    :param finished: whether the artifact is made.
    :param parts: where part files appear, for the progress bar.
    :raises UserError: Ray is not installed, or a rank raises it.
    :raises LstError: the cluster can't be reached, or all ranks are lost.
    :raises typer.Exit: with the exit code of a rank that failed, after what it printed.
    """
    ray = _connect()
    total = ray.cluster_resources()
    gpus = int(device is not None and (device != "auto" or total.get("GPU", 0) >= 1) and device != "cpu")
    holds = total.get("CPU", 1) // options.cpus
    ranks = options.ranks or max(1, int(min(holds, total.get("GPU", 0)) if gpus else holds))
    root.mkdir(parents=True, exist_ok=True)
    mark = temporary(root.absolute() / "ray")
    mark.touch()
    command = RankCommand(
        arguments=tuple(arguments), folder=str(Path.cwd()), mark=mark, run=f"ray-{uuid.uuid4().hex}", ranks=ranks
    )
    # One call for each process: a command leaves settings and models behind.
    rank = ray.remote(
        num_cpus=options.cpus, num_gpus=gpus, max_calls=1, max_retries=_RETRIES, scheduling_strategy="SPREAD"
    )(_run)
    try:
        _watch(ray, {rank.remote(command, number): number for number in range(ranks)}, finished, parts)
    finally:
        mark.unlink(missing_ok=True)


def _run(command: RankCommand, number: int) -> tuple[int, str]:
    return command(number)


def _connect() -> Any:
    try:
        import ray
    except ImportError:
        raise UserError("--engine ray: Ray is not installed", fix="pip install 'lst-cli[ray]'") from None
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdecimal():  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
        ray.init(log_to_driver=False, logging_level="error", ignore_reinit_error=True)
    except OSError as error:
        raise LstError(
            f"no Ray cluster at RAY_ADDRESS {address or '(not set)'}",
            found=" ".join(str(error).split()),
            fix="start one with 'ray start --head', or unset RAY_ADDRESS for a cluster on this machine",
        ) from None
    return ray


def _watch(ray: Any, tasks: dict[Any, int], finished: Callable[[], bool], parts: Path) -> None:
    """Return when the artifact is made; stop all ranks when one fails."""
    waiting, made = list(tasks), 0
    try:
        with progress(f"{len(tasks)} ranks on Ray", unit="work units") as bar:
            while waiting and not finished():
                ended, waiting = ray.wait(waiting, timeout=_LOOK_EVERY_S)
                for task in ended:
                    _check(ray, task, tasks[task])
                with suppress(FileNotFoundError):
                    found = sum(not path.name.startswith(".") for path in parts.iterdir())
                    bar.advance(found - made)
                    made = found
        if not waiting and not finished():
            raise LstError("all ranks on Ray were lost", fix="run the same command again: it resumes")
    finally:
        for task in waiting:
            ray.cancel(task)
        if waiting:
            ray.wait(waiting, num_returns=len(waiting), timeout=_STOP_S)


def _check(ray: Any, task: Any, number: int) -> None:
    try:
        code, printed = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        warn(f"rank {number} was lost for good: {str(error).splitlines()[0]}")
        return
    if code:
        print_error(printed.rstrip())
        raise typer.Exit(code)
