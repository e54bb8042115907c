"""Rows of tables: labels, patchings, budgets, and results that are damaged or unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.errors import UserError
from lst_cli.evaluation.scores import SCORES, SCORES_FILE
from lst_cli.reports.page.model_labels import ModelFacts, model_labels
from lst_cli.reports.page.result_rows import read_rows
from lst_cli.reports.training_budget import Budget, read_budget, read_metrics
from tests.reports.making import entry, make_items, make_model, make_scores, make_spoken, spoken_texts
from tests.reports.making_speech import make_asr_scores


def make_result(store: Store, result: dict[str, Any]) -> Artifact:
    def make(draft: Draft) -> None:
        (draft.path / SCORES_FILE).write_text(json.dumps(result))

    return store.build(Request(kind=SCORES, name="s", config=result), make).artifact


@pytest.mark.parametrize(
    ("patching", "label"),
    [
        ({"strategy": "static", "size": 6}, "static 6"),
        ({"strategy": "curriculum", "size": 4, "silence": "separate"}, "curriculum 4"),
        ({"strategy": "mixed", "size": 4, "silence": "merged"}, "mixed 4, sil merged"),
        ({"strategy": "static", "size": 4, "boundaries": "given"}, "static 4, boundaries given"),
    ],
)
def test_patching_in_words(patching: dict[str, Any], label: str) -> None:
    model = ModelFacts(
        label="m", reference="model/m/1", fingerprint="1", family="lst", patching=patching, budget=Budget()
    )
    assert model.patching_label == label
    assert ModelFacts(**{**vars(model), "family": "baseline"}).patching_label == "none"


def test_scores_under_moved_boundaries_say_so_and_the_model_does_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    items = make_items("storycloze", 8)
    tokens, _ = make_spoken(store, "items", spoken_texts(items))
    model = make_model(store, "m", "aligned")
    scores = [
        make_scores(store, f"s{ms:g}", model, tokens, items, {"s-s": 0.5}, more={"noise_ms": ms} if ms else {})
        for ms in (0.0, 40.0)
    ]
    rows = read_rows(store, scores)
    moved = "aligned 4, boundaries moved by 40 ms"
    assert [row.model.patching_label for row in rows.scores] == ["aligned 4", moved]
    assert [each.patching_label for each in rows.models] == ["aligned 4"]


def test_models_of_one_name_are_told_apart() -> None:
    names = {"a": ("m", "model/m/0123456789ab"), "b": ("m", "model/m/ba9876543210"), "c": ("n", "model/n/1")}
    assert model_labels(names) == {"a": "m/012345", "b": "m/ba9876", "c": "n"}


def test_budget_from_statistics_and_curve(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("root"))
    budget = read_budget(make_model(store, "m", "static"))
    assert budget == Budget(
        steps=600, positions=600 * 8192, tokens=600 * 10292, speech_tokens=600 * 3100, parameters=4_800_000
    )


def test_damaged_curve_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = make_model(Store(tmp_path_factory.mktemp("root")), "m", "static")
    path = model.file("metrics.jsonl")
    path.write_text(path.read_text()[:-30])
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 60"):
        read_metrics(model)


@pytest.mark.parametrize("result", [{}, {"task": "storycloze", "results": []}, {"task": "asr", "model": []}])
def test_what_is_no_result_is_refused(tmp_path_factory: pytest.TempPathFactory, result: dict[str, Any]) -> None:
    store = Store(tmp_path_factory.mktemp("root"))
    with pytest.raises(UserError, match="not a result of lst eval"):
        read_rows(store, [make_result(store, result)])


def test_a_result_that_lacks_something_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("root"))
    model = entry(make_model(store, "m", "static"))
    scores = make_result(store, {"task": "storycloze", "model": model, "results": [{"direction": "s-s", "n": 3}]})
    with pytest.raises(UserError, match="lacks 'metric'"):
        read_rows(store, [scores])


def test_unknown_results_are_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("root"))
    scores = make_result(store, {"task": "tts", "model": entry(make_model(store, "m", "static")), "speakers": 3})
    rows = read_rows(store, [scores])
    assert not rows.scores and rows.unknown == [f"{scores.reference} (task tts)"]


def test_pretrained_models_and_baselines_come_first(world: Store) -> None:
    rows = read_rows(world, [artifact for artifact in world.all() if artifact.kind == "scores"])
    pretrained, tuned = ["baseline", "curriculum", "static"], ["asr-baseline", "asr", "tts-baseline", "tts"]
    assert list(rows.labels.values()) == [*pretrained, *tuned]
    assert [model.label for model in rows.models] == list(rows.labels.values())


def test_asr_row(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("root"))
    (row,) = read_rows(store, [make_asr_scores(store, "asr", make_model(store, "m", "static"), 3)]).asr
    assert (row.wer, row.n_words, row.words["substitutions"], row.cer) == (0.3, 100, 30, 0.15)
