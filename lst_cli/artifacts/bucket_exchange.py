"""``lst push`` and ``lst pull`` with a bucket.

Object stores have no rename. So the manifest is written last, after all files: until then, the version does not exist
for any reader, and the next push completes what a killed one has uploaded.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts.bucket import find_in_bucket
from lst_cli.artifacts.maintenance import verify
from lst_cli.artifacts.manifest import MANIFEST, Artifact, FileRecord, parse_manifest
from lst_cli.artifacts.pulled import file_sums, place_pulled
from lst_cli.checksum import sha256_of
from lst_cli.console import progress
from lst_cli.errors import LstError, UserError
from lst_cli.json_text import parse_json
from lst_cli.storage.remote import ObjectFacts, Remote

if TYPE_CHECKING:
    from lst_cli.artifacts import Built, Store

_UPLOADED = "uploaded.json"
"""Lists the files of an unfinished push, with their checksums and stamps; removed once the manifest is written."""

_NOTE_EVERY_S = 2.0

_AT_ONCE = 8
"""Concurrent transfers."""


def push_to_bucket(artifact: Artifact, url: str) -> tuple[str, bool]:
    """Upload an artifact to ``URL/KIND/NAME/VERSION``; return that URL, and whether anything had to be done.

    :raises UserError: another artifact of this version is there, or access is refused.
    :raises LstError: the artifact is damaged, or the store can't be reached.
    """
    folder = Remote.of(url) / artifact.reference
    if problems := verify(artifact):
        raise LstError(f"{artifact.reference}: damaged, and not pushed", found="; ".join(problems))
    if folder.exists(MANIFEST):
        _check_same(artifact, folder)
        fresh = False
    else:
        _upload(artifact, folder)
        text = json.dumps(artifact.to_json(), indent=2, ensure_ascii=False) + "\n"
        folder.put_bytes(text.encode(), MANIFEST)
        fresh = True
    if folder.exists(_UPLOADED):
        folder.remove(_UPLOADED)
    return folder.url, fresh


def _check_same(artifact: Artifact, folder: Remote) -> None:
    """:raises UserError: another artifact of this version is there."""
    held = parse_manifest(Path(folder.url), folder.read(MANIFEST), f"{folder.url}/{MANIFEST}")
    if held.fingerprint != artifact.fingerprint or file_sums(held.files) != file_sums(artifact.files):
        raise UserError(
            f"{folder.url}: another artifact of this version is there already",
            found=f"files with other checksums, made {held.created[:19]} by lst {held.lst_version}",
            fix="push to another prefix, or delete that one with the tools of the store",
        )


def _upload(artifact: Artifact, folder: Remote) -> None:
    """Upload the files that are not there yet.

    A file is there if a push has noted its checksum, and it was not rewritten since.
    """
    done = _uploaded(folder)
    there = folder.files_below() if done else {}
    lock, noted_at = threading.Lock(), time.monotonic()

    def upload(record: FileRecord) -> None:
        nonlocal noted_at
        checksum, stamp = done.get(record.path, ("", ""))
        if checksum != record.sha256 or there.get(record.path) != ObjectFacts(record.bytes, stamp):
            folder.put(artifact.path / record.path, record.path)
            stamp = folder.facts(record.path).stamp
            with lock:
                done[record.path] = (record.sha256, stamp)
                if time.monotonic() > noted_at + _NOTE_EVERY_S:
                    folder.put_bytes(json.dumps(done).encode(), _UPLOADED)
                    noted_at = time.monotonic()
        bar.advance(record.bytes / 1e6)

    total = sum(record.bytes for record in artifact.files) / 1e6
    with progress(f"push {artifact.reference}", total, "MB") as bar, ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(upload, artifact.files))


def _uploaded(folder: Remote) -> dict[str, tuple[str, str]]:
    """(sha256, stamp) of the files that an unfinished push has uploaded."""
    if not folder.exists(_UPLOADED):
        return {}
    data = parse_json(folder.read(_UPLOADED))
    assert isinstance(data, Mapping)
    return {name: (str(sum_), str(stamp)) for name, (sum_, stamp) in data.items()}


def pull_from_bucket(store: Store, url: str) -> Built:
    """Download the artifact at ``URL/KIND/NAME`` (the newest) or ``URL/KIND/NAME/VERSION``.

    :raises UserError: there is none, another one of the same version is here, or access is refused.
    :raises LstError: a file is not the one that the manifest names, or the store can't be reached.
    """
    manifest = find_in_bucket(url)
    with progress(f"pull {manifest.reference}", sum(file.bytes for file in manifest.files) / 1e6, "MB") as bar:

        def fetch(folder: Path) -> None:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(partial(fetch_one, folder), manifest.files))

        def fetch_one(folder: Path, record: FileRecord) -> None:
            path = folder / record.path
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or sha256_of(path) != record.sha256:
                manifest.remote.get(record.path, path, record.bytes)
            bar.advance(record.bytes / 1e6)

        return place_pulled(store, manifest, manifest.url, manifest.url, fetch)
