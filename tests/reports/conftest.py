"""One store with everything, and the page made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lst_cli.artifacts import Artifact, Store
from lst_cli.reports.report_kind import REPORT
from tests.reports.making import run
from tests.reports.making_speech import make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Not to be changed by a test."""
    store = Store(tmp_path_factory.mktemp("world") / "root")
    make_world(store)
    return store


@pytest.fixture(scope="session")
def page(world: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the page and its tables."""
    out = tmp_path_factory.mktemp("page")
    run(world, "--name", "all", "--out", str(out))
    return out


@pytest.fixture(scope="session")
def report(world: Store, page: Path) -> Artifact:
    return world.find("report/all", REPORT)
