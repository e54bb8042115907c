"""An artifact under construction: a hidden working folder, which becomes the artifact when it is complete."""

from __future__ import annotations

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lst_cli.artifacts.manifest import FileRecord
from lst_cli.errors import UserError

REJECTS = "rejects.parquet"


class Draft:
    """Where a stage writes. After a crash only :attr:`parts` is kept, for the next attempt."""

    def __init__(self, work: Path) -> None:
        self.path = work / "data"
        """Data files; exactly these become the artifact."""
        self.parts = work / "parts"
        """Finished parts of long work; kept after a crash, removed when the artifact is complete."""
        self.statistics: dict[str, Any] = {}
        """Statistics for the manifest; not part of the fingerprint."""
        self._rejects: list[tuple[str, str]] = []
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        self.parts.mkdir(exist_ok=True)

    @property
    def rejects(self) -> list[tuple[str, str]]:
        """(id, reason) of each rejected input so far."""
        return self._rejects

    def reject(self, id: str, reason: str) -> None:
        """Reject an input; ``rejects.parquet`` lists it with the reason."""
        self._rejects.append((id, reason))

    def check_rejects(self, total: int, max_rate: float) -> None:
        """Fail if more than ``max_rate`` of ``total`` inputs were rejected, or all of them.

        :raises UserError: names the first rejected inputs, with the reasons.
        """
        n = len(self._rejects)
        if total > n and n <= max_rate * total:
            return
        shown = "; ".join(f"{id}: {reason}" for id, reason in self._rejects[:5])
        more = f"; and {n - 5} more" if n > 5 else ""
        raise UserError(
            f"{n} of {total} inputs were rejected" if total else "there is no input",
            found=shown + more or "nothing",
            expected=f"at most {max_rate:.1%} rejected, and at least one input left",
            fix="correct or remove these inputs, or raise --max-reject-rate",
        )

    def take(self, part: Path) -> None:
        """Make a finished part a data file of the artifact, under the same name.

        The part also stays where it is until the artifact is complete, so a crash loses nothing.
        """
        target = self.path / part.name
        try:
            os.link(part, target)
        except OSError:  # a file system without hard links
            shutil.copyfile(part, target)

    def finish(self) -> tuple[FileRecord, ...]:
        """Write the rejects, sync every file to disk and compute its checksum."""
        if self._rejects:
            import pyarrow as pa

            from lst_cli.artifacts.parquet import write_parquet

            ids, reasons = zip(*self._rejects, strict=True)
            write_parquet(self.path / REJECTS, pa.table({"id": list(ids), "reason": list(reasons)}))
            self.statistics["rejected"] = len(self._rejects)
        paths = sorted(path for path in self.path.rglob("*") if path.is_file())
        with ThreadPoolExecutor(4) as pool:
            return tuple(pool.map(self._record, paths))

    def _record(self, path: Path) -> FileRecord:
        rows = None
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            rows = pq.read_metadata(path).num_rows
        size, digest = sync_and_sum(path)
        return FileRecord(path=path.relative_to(self.path).as_posix(), bytes=size, rows=rows, sha256=digest)


def sync_and_sum(path: Path) -> tuple[int, str]:
    """Sync a file to disk; return its size in bytes and its sha256."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        size = 0
        while chunk := stream.read(1 << 20):
            size += len(chunk)
            digest.update(chunk)
    return size, digest.hexdigest()


def sync_folder(path: Path) -> None:
    """Sync a folder's entries to disk, so that a rename survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
