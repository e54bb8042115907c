"""Runs ``lst`` in a child process that counts its file operations, and kills it before the n-th.

A file operation is whatever changes the file system from Python: opening a file to write, creating, renaming, linking,
removing, truncating, and flushing to disk. They are seen by an audit hook; ``os.fsync``, which Python does not audit,
by a wrapper. The child is a fork with everything imported, so a kill costs no start.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CHANGING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
LIMIT_S = 120.0


@dataclass(frozen=True)
class Ran:
    """How a child ended."""

    code: int
    """Exit code; negative, the signal that killed it."""
    operations: int
    """File operations that it began."""
    stderr: str


def run(arguments: Sequence[str], work: Path, kill_at: int | None = None, limit_s: float = LIMIT_S) -> Ran:
    """Run ``lst`` with these arguments in a child; :class:`TracedChild` has the parameters.

    :raises TimeoutError: it takes longer than ``limit_s``.
    """
    return TracedChild(arguments, work, kill_at).wait(limit_s)


class TracedChild:
    """A child that runs ``lst``.

    :param work: only operations below this folder count; output is kept there, outside the count.
    :param kill_at: the child kills itself before this operation, counted from 1.
    :param environment: variables that it has besides those of this process.
    :param name: of its output, for several children in one folder.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        work: Path,
        kill_at: int | None = None,
        environment: Mapping[str, str] | None = None,
        name: str = "",
    ) -> None:
        self._arguments = arguments
        self._log, self._counted = work / f"stderr{name}.txt", work / f"operations{name}.txt"
        self._child = os.fork()
        if not self._child:
            os.environ.update(environment or {})
            _be_the_child(arguments, work, self._log, self._counted, kill_at)

    @property
    def operations(self) -> int:
        """File operations that it has begun."""
        return self._counted.stat().st_size if self._counted.exists() else 0

    def running(self) -> bool:
        """Whether it has not ended."""
        return os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self, limit_s: float = LIMIT_S) -> Ran:
        """How it ended.

        :raises TimeoutError: it takes longer than ``limit_s``.
        """
        ended = time.monotonic() + limit_s
        while True:
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > ended:
                os.kill(self._child, signal.SIGKILL)
                os.waitpid(self._child, 0)
                raise TimeoutError(f"lst {' '.join(self._arguments)}: longer than {limit_s:.0f} s")
            time.sleep(0.005)
        return Ran(os.waitstatus_to_exitcode(status), self.operations, self._log.read_text(errors="replace"))


def _be_the_child(arguments: Sequence[str], work: Path, log: Path, counted: Path, kill_at: int | None) -> None:
    from lst_cli.main import main

    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(out, stream)
    # Under pytest the streams of Python lead elsewhere.
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", closefd=False) for stream in (1, 2))
    _count_operations(str(work), os.open(counted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), kill_at)
    sys.argv = ["lst", *arguments]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _count_operations(work: str, counted: int, kill_at: int | None) -> None:
    begun = 0

    def operation() -> None:
        nonlocal begun
        begun += 1
        os.write(counted, b".")
        if begun == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def below(path: Any, folder: int) -> bool:
        if isinstance(path, int):
            return False
        name = os.fsdecode(path)
        return name.startswith(work) or (not name.startswith("/") and folder >= 0)  # shutil.rmtree names by folder

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if flags & _WRITING and below(path, 0 if mode is None else -1):
                operation()
        elif event in _CHANGING and below(arguments[0], arguments[-1] if isinstance(arguments[-1], int) else -1):
            operation()

    fsync = os.fsync

    def counting_fsync(handle: int) -> None:
        operation()
        fsync(handle)

    sys.addaudithook(hook)
    os.fsync = counting_fsync
