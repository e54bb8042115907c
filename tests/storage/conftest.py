"""A bucket for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.storage.buckets import new_bucket, s3_server


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(server: str) -> str:
    return new_bucket()
