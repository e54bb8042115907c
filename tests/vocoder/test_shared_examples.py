"""A vocoder whose examples ranks have read together is that of one process alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from lst_cli.artifacts import Store
from lst_cli.units.tokenize import work_units
from lst_cli.vocoder.files import WEIGHTS_FILE
from lst_cli.vocoder.fit_vocoder import plan_fit, share_examples
from tests.distributed.children import build_as_rank, check_ranks
from tests.vocoder.making import make_world
from tests.vocoder.test_fit_vocoder import _options


def test_any_number_of_ranks_and_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_units, "_LEAST_SAMPLES", 16_000)
    store = Store(tmp_path / "store")
    options = _options(make_world(store, ["a", "b"] * 5), "v", "steps=2")
    plan, share = partial(plan_fit, options, store), partial(share_examples, options)
    files = check_ranks(tmp_path, lambda root: build_as_rank(root, plan, share), "vocoder/v", (0, 2, 4, 7))
    assert WEIGHTS_FILE in files
