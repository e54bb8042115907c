"""``lst push``: a model, quantizer or vocoder becomes a repository on the Hugging Face Hub, in one commit."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lst_cli.artifacts.manifest import MANIFEST, check_kind, read_manifest
from lst_cli.errors import LstError, UserError
from lst_cli.hub import HubAddress, hub_errors, hub_library
from lst_cli.model_artifact.card import MODEL
from lst_cli.publishing.export_files import FolderFiles, export_files
from lst_cli.publishing.hub_readme import README_FILE, artifact_readme
from lst_cli.units.quantizer.codebook import QUANTIZER
from lst_cli.version import __version__
from lst_cli.vocoder.files import VOCODER

if TYPE_CHECKING:
    from lst_cli.artifacts import Artifact, Store

PUBLISHED = {kind.name: kind for kind in (MODEL, QUANTIZER, VOCODER)}
"""Kinds of artifacts that can be pushed and pulled."""

_ALWAYS_THERE = {".gitattributes", README_FILE}


def check_published(artifact: Artifact) -> Artifact:
    """Return the artifact if its kind can be published.

    :raises UserError: it is of another kind, or has a schema version that this ``lst`` does not read.
    """
    if artifact.kind not in PUBLISHED:
        raise UserError(
            f"{artifact.reference}: artifacts of this kind are not published",
            found=artifact.kind,
            expected=" or ".join(PUBLISHED),
            fix=f"copy it to a bucket: lst push {artifact.kind}/{artifact.name} s3://BUCKET/PREFIX",
        )
    return check_kind(artifact, PUBLISHED[artifact.kind])


def push_artifact(
    store: Store, artifact: Artifact, address: HubAddress, *, public: bool = False, license: str | None = None
) -> str:
    """Commit an artifact's files to a repository, which is made if there is none; return the commit's address.

    Files of an earlier push that are no longer needed are deleted.

    :param public: whether everybody may read a repository that is made now.
    :raises UserError: the artifact can't be published, the repository holds something else, or the Hub refuses.
    """
    from lst_cli.artifacts.maintenance import verify

    if address.revision is not None:
        raise UserError(
            f"{address}: lst push supports the main branch only", fix=f"lst push … hf://{address.repository}"
        )
    library = hub_library()
    check_published(artifact)
    if problems := verify(artifact):
        raise LstError(f"{artifact.reference}: damaged, so it was not published", found="; ".join(problems))
    files = published_files(store, artifact, address.repository, license)
    with hub_errors(address):
        api = library.HfApi()
        api.create_repo(address.repository, private=not public, exist_ok=True)
        there = api.list_repo_files(address.repository)
        _check_repository(api, address, there, artifact)
        adding = [
            library.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()
        ]
        gone = [library.CommitOperationDelete(path_in_repo=name) for name in there if _is_stale(name, files)]
        done = api.create_commit(
            address.repository, [*adding, *gone], commit_message=f"{artifact.reference}, by lst {__version__}"
        )
    return str(done.commit_url)


def published_files(store: Store, artifact: Artifact, repository: str, license: str | None) -> FolderFiles:
    """All files of a repository: the artifact's, its manifest, a README, and for a model the code to run it.

    The manifest has no command line: that may name folders of this machine.
    """
    manifest = dataclasses.replace(artifact, command=()).to_json()
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    files: dict[str, Path | bytes] = {record.path: artifact.file(record.path) for record in artifact.files}
    if artifact.kind == MODEL.name:
        files |= export_files(store, artifact, repository=repository, license=license)
    else:
        files[README_FILE] = artifact_readme(store, artifact, repository=repository, license=license).encode()
    return {**files, MANIFEST: text.encode()}


def _check_repository(api: Any, address: HubAddress, there: Sequence[str], artifact: Artifact) -> None:
    """:raises UserError: a repository holds another artifact, or files that do not belong to an artifact."""
    if MANIFEST in there:
        with tempfile.TemporaryDirectory() as folder:
            api.hf_hub_download(address.repository, MANIFEST, local_dir=folder)
            held = read_manifest(Path(folder))
        if (held.kind, held.name) == (artifact.kind, artifact.name):
            return
        found = f"{held.kind}/{held.name}"
    elif others := sorted(set(there) - _ALWAYS_THERE):
        found = ", ".join(others[:5])
    else:
        return
    raise UserError(
        f"{address}: the repository holds something else",
        found=found,
        expected=f"nothing, or an earlier {artifact.kind}/{artifact.name}",
        fix="push to another repository, or delete this one on the Hub",
    )


def _is_stale(name: str, files: FolderFiles) -> bool:
    return name not in files and name not in _ALWAYS_THERE
