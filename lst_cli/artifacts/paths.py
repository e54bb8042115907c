"""Names of files and folders below a root, and of temporary ones anywhere."""

from __future__ import annotations

import os
from pathlib import Path

from lst_cli.artifacts.lock import STALE_S, file_system_time, process_runs

CURRENT = "current"
"""The link to the version of a name that was requested last."""
TEMPORARY = ".tmp"
LONGEST_NAME = 200
"""Bytes of an artifact's name; file systems allow 255, and temporary names are longer."""


def is_name(text: object) -> bool:
    """Whether this can be the kind, name or version of an artifact, and so a folder below its parent."""
    return (
        isinstance(text, str)
        and 0 < len(text.encode("utf-8", "replace")) <= LONGEST_NAME
        and text[0] not in ".-"
        and all(c.isalnum() or c in "._-" for c in text)
    )


def is_path(reference: str) -> bool:
    """Whether a reference is a path; otherwise it is ``KIND/NAME`` or ``KIND/NAME/VERSION`` below the root."""
    return reference in (".", "..") or reference.startswith(("/", "./", "../"))


def working_folder(folder: Path) -> Path:
    """Where the artifact in ``folder`` is made."""
    return folder.with_name(f".{folder.name}.partial")


def lock_file(folder: Path) -> Path:
    """The lock that the builder of the artifact in ``folder`` holds."""
    return folder.with_name(f".{folder.name}.lock")


def helper_lock_file(folder: Path) -> Path:
    """The lock that this process holds while it helps another one to build the artifact in ``folder``."""
    return folder.with_name(f".{folder.name}.{_process()}.lock")


def helper_lock_files(folder: Path) -> list[Path]:
    """The locks of all processes that help, or helped until they were killed."""
    return list(folder.parent.glob(f".{folder.name}.*.lock"))


def temporary(path: Path) -> Path:
    """A path next to ``path`` that no other process uses.

    Ranks on several hosts may write the same file at the same time with the same process number.
    """
    return path.with_name(f".{path.name}.{_process()}{TEMPORARY}")


def writer_runs(temporary_path: Path) -> bool:
    """Whether the process that a temporary name was made for may still write it."""
    name = temporary_path.name.removesuffix(TEMPORARY)
    rest, _, pid = name.rpartition(".")
    if pid.isdecimal() and rest.endswith(f".{os.uname().nodename}"):
        return process_runs(int(pid))
    return file_system_time(temporary_path.parent) - temporary_path.lstat().st_mtime < STALE_S


def _process() -> str:
    return f"{os.uname().nodename}.{os.getpid()}"
