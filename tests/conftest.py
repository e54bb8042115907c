"""Settings of every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.storage.buckets import new_bucket, s3_server

# One thread per process: tests run in parallel, and results must not depend on the number of cores.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("lst", deadline=None)
settings.load_profile("lst")

SLOW = Path(__file__).with_name("slow.txt")
"""Test modules that take more than a few seconds, one a line; ``make quick`` skips them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow modules."""
    slow = set(SLOW.read_text(encoding="utf-8").split())
    for item in items:
        if item.path.relative_to(SLOW.parent).as_posix() in slow:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 server for the module, at this address."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3: str) -> str:
    """A bucket for the test."""
    return new_bucket()
