"""``lst pull``: an artifact that ``lst push`` published, with its name and version; checksums are verified."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts.manifest import MANIFEST, Artifact, FileRecord, read_manifest
from lst_cli.errors import LstError, UserError
from lst_cli.hub import HubAddress, hub_errors, hub_library
from lst_cli.publishing.push_artifact import check_published

if TYPE_CHECKING:
    from lst_cli.artifacts import Built, Draft, Store


def pull_artifact(store: Store, address: HubAddress) -> Built:
    """Download an artifact; an interrupted pull is resumed.

    Its statistics get ``pulled_from``: the repository and commit.

    :raises UserError: there is no artifact, another one of the same version exists, or the Hub denies access.
    :raises LstError: a file is not the one that the manifest names.
    """
    library = hub_library()
    with hub_errors(address), tempfile.TemporaryDirectory() as folder:
        api = library.HfApi()
        commit = str(api.repo_info(address.repository, revision=address.revision).sha)
        manifest = _manifest(api, address, commit, Path(folder))

    def fill(draft: Draft) -> Artifact:
        with hub_errors(address):
            for record in manifest.files:
                api.hf_hub_download(address.repository, record.path, revision=commit, local_dir=draft.parts)
                draft.take(draft.parts / record.path)
        files = draft.finish()
        _check_files(address, manifest, files, draft)
        source = f"hf://{address.repository}@{commit}"
        return dataclasses.replace(
            manifest, path=place, files=files, statistics={**manifest.statistics, "pulled_from": source}
        )

    place = store.root / manifest.kind / manifest.name / manifest.version
    built = store.place(place, fill)
    if not built.fresh and _sums(built.artifact.files) != _sums(manifest.files):
        raise UserError(
            f"{built.artifact.reference}: another artifact of this version exists already",
            found="files with other checksums",
            fix="give another --root, or remove the existing one with 'lst artifact rm'",
        )
    return built


def _manifest(api: Any, address: HubAddress, commit: str, folder: Path) -> Artifact:
    """The manifest of an artifact that is published.

    :raises UserError: there is none, or it is not one that this ``lst`` takes.
    """
    from huggingface_hub import errors

    try:
        api.hf_hub_download(address.repository, MANIFEST, revision=commit, local_dir=folder)
    except errors.EntryNotFoundError as error:
        if isinstance(error, errors.LocalEntryNotFoundError):  # the Hub can't be reached
            raise
        raise UserError(
            f"{address}: not an artifact",
            found=f"no {MANIFEST}",
            fix="pull what 'lst push' published; other models are read by their name (lst pretrain --init, lst units)",
        ) from None
    artifact = check_published(read_manifest(folder))
    if artifact.version != artifact.fingerprint[:12] or any("/" in record.path for record in artifact.files):
        raise UserError(f"{address}: {MANIFEST} is damaged", found=artifact.reference)
    return artifact


def _check_files(address: HubAddress, manifest: Artifact, files: tuple[FileRecord, ...], draft: Draft) -> None:
    """:raises LstError: a file has another checksum than the manifest's; all downloads are discarded."""
    wrong = sorted(name for name, _ in _sums(files) ^ _sums(manifest.files))
    if wrong:
        shutil.rmtree(draft.parts)
        raise LstError(
            f"{address}: files differ from {MANIFEST}",
            found=f"wrong checksum of {', '.join(dict.fromkeys(wrong))}",
            fix="run the same command again; if it fails again, the repository is damaged",
        )


def _sums(files: tuple[FileRecord, ...]) -> set[tuple[str, str]]:
    return {(record.path, record.sha256) for record in files}
