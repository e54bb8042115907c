"""Checksums of files, read in blocks so that memory does not grow with them."""

from __future__ import annotations

import hashlib
from pathlib import Path

_BLOCK_BYTES = 1 << 22


def sha256_of(*files: Path) -> str:
    """One sha256 over the contents of files, one after another.

    :raises OSError: a file can't be read.
    """
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()
