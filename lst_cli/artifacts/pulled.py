"""Places downloaded artifacts below the root, whole and with checksums verified."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts.manifest import Artifact, FileRecord
from lst_cli.errors import LstError, UserError

if TYPE_CHECKING:
    from lst_cli.artifacts import Built, Draft, Store


def place_pulled(store: Store, manifest: Artifact, source: str, address: str, fetch: Callable[[Path], None]) -> Built:
    """Place an artifact below the root; files that an interrupted pull has downloaded are reused.

    Its statistics get ``pulled_from``.

    :param source: the exact origin, for the statistics; ``address`` is its name in errors.
    :param fetch: downloads to a folder the files that are not there yet.
    :raises UserError: another artifact of the same version is here.
    :raises LstError: a file is not the one that the manifest names.
    """
    place = store.root / manifest.kind / manifest.name / manifest.version

    def fill(draft: Draft) -> Artifact:
        fetch(draft.parts)
        for record in manifest.files:
            _take(draft, record)
        files = draft.finish()
        _check_files(address, manifest, files, draft)
        statistics = {**manifest.statistics, "pulled_from": source}
        known = {field.name: getattr(manifest, field.name) for field in dataclasses.fields(Artifact)}
        return Artifact(**{**known, "path": place, "files": files, "statistics": statistics})

    built = store.place(place, fill)
    if not built.fresh and file_sums(built.artifact.files) != file_sums(manifest.files):
        raise UserError(
            f"{built.artifact.reference}: another artifact of this version is here already",
            found="files with other checksums",
            fix="give another --root, or remove that one with 'lst artifact rm'",
        )
    return built


def _take(draft: Draft, record: FileRecord) -> None:
    """Make a download a data file; unlike :meth:`Draft.take`, also in a subfolder."""
    target = draft.path / record.path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(draft.parts / record.path, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(draft.parts / record.path, target)


def _check_files(address: str, manifest: Artifact, files: tuple[FileRecord, ...], draft: Draft) -> None:
    """:raises LstError: a file has another checksum than the manifest's; all downloads are discarded."""
    wrong = sorted(name for name, _ in file_sums(files) ^ file_sums(manifest.files))
    if wrong:
        shutil.rmtree(draft.parts)
        raise LstError(
            f"{address}: files differ from artifact.json",
            found=f"wrong checksum of {', '.join(dict.fromkeys(wrong))}",
            fix="run the same command again; if it fails again, what is stored there is damaged",
        )


def file_sums(files: tuple[FileRecord, ...]) -> set[tuple[str, str]]:
    """(path, sha256) of each file."""
    return {(record.path, record.sha256) for record in files}
