"""Settings of every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

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
