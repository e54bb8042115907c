from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lst_cli.errors import UserError
from lst_cli.reports.paper.figure5 import Occurrence, choose, measure
from tests.reports.making import run
from tests.training.runs import pretrain
from tests.training.world import make_world


def _said(word: str, count: int) -> list[Occurrence]:
    return [Occurrence(word, (1, 2, 3), (0,), (3,), 0)] * count


def test_the_most_frequent_longer_words_are_chosen_evenly() -> None:
    chosen = choose(iter([*_said("the", 90), *_said("horse", 40), *_said("kitchen", 7), *_said("once", 1)]), most=10)
    words = [each.word for each in chosen]
    assert {word: words.count(word) for word in words} == {"horse": 10, "kitchen": 7}


def test_too_few_words_are_refused() -> None:
    with pytest.raises(UserError, match="too few repeated words"):
        choose(iter(_said("horse", 40)))


def test_words_that_lie_together_have_a_high_silhouette() -> None:
    vectors = np.array([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    apart = measure(vectors, ["one", "one", "two", "two"])
    mixed = measure(vectors, ["one", "two", "one", "two"])
    assert apart.within > 0.99 > 0.2 > apart.between and apart.silhouette > 0.9
    assert mixed.within < 0.2 and mixed.silhouette < 0


def test_the_command_draws_the_patches_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lst_cli.reports.paper.figure5.SHORTEST", 1)
    store = make_world(tmp_path)
    pretrain(tmp_path, "small", "budget.steps=10")
    out = tmp_path / "out"
    line = ("fig5", "--models", "model/small", "--shards", "shards/speech", "--out", str(out), "--json")
    files = json.loads(run(store, *line))["files"]
    assert [Path(file).name for file in files] == ["fig5.md", "fig5.csv", "fig5.svg"]
    page = (out / "fig5.md").read_text(encoding="utf-8")
    assert "| cosine within words |" in page and "0.87" in page and "<svg" in (out / "fig5.svg").read_text()


def test_a_baseline_has_no_patches(tmp_path: Path) -> None:
    from tests.training.runs import BASELINE

    store = make_world(tmp_path)
    pretrain(tmp_path, "base", "budget.steps=10", *BASELINE)
    with pytest.raises(UserError, match="no patches"):
        run(store, "fig5", "--models", "model/base", "--shards", "shards/speech")
