"""``lst pull``: an artifact that ``lst push`` published, with its name and version; checksums are verified."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts.manifest import MANIFEST, Artifact, read_manifest
from lst_cli.artifacts.pulled import place_pulled
from lst_cli.errors import UserError
from lst_cli.hub import HubAddress, hub_errors, hub_library
from lst_cli.publishing.push_artifact import check_published

if TYPE_CHECKING:
    from lst_cli.artifacts import Built, Store


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

    def fetch(folder: Path) -> None:
        with hub_errors(address):
            for record in manifest.files:
                api.hf_hub_download(address.repository, record.path, revision=commit, local_dir=folder)

    return place_pulled(store, manifest, f"hf://{address.repository}@{commit}", str(address), fetch)


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
