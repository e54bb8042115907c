"""Ablated scores: what is switched off is off, and nothing else is."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.evaluation.ablation import Ablation
from lst_cli.evaluation.scores import SCORES, read_scores
from lst_cli.inference.likelihood import log_probabilities
from lst_cli.inference.shared_prompt import Question
from lst_cli.main import app
from lst_cli.model_artifact.card import LoadedModel, load_model
from tests.inference.models import (
    UNITS,
    baseline_config,
    latent_config,
    model_artifact,
    quantizer_artifact,
    random_model,
    tokens_artifact,
    vocabulary,
)

PROMPT = 40


def loaded(tmp_path: Path, window: int = 512) -> LoadedModel:
    config = latent_config(window=window)
    return load_model(model_artifact(Store(tmp_path), "lst", config, random_model(config)))


def question(first_unit: int = 0) -> Question:
    """A spoken prompt whose first unit is given, and two endings."""
    rng = np.random.default_rng(1)
    words = vocabulary()
    units = rng.integers(UNITS, size=PROMPT)
    units[0] = first_unit
    prompt = np.append(words.s_marker, words.units_to_ids(units)).astype(np.int32)
    endings = tuple(words.units_to_ids(rng.integers(UNITS, size=size)) for size in (5, 9))
    return Question(prompt_T=prompt, endings=endings)


def scores(model: LoadedModel, asked: Question) -> list[float]:
    ((_, found),) = log_probabilities(model, [asked])
    return found


@pytest.mark.parametrize("text", ["", "cross", "prompt", "prompt:0", "window:-1", "prompt:x", "cross-attention:3"])
def test_other_ablations_are_refused(text):
    with pytest.raises(UserError, match="unknown ablation"):
        Ablation.parse(text)


@pytest.mark.parametrize("text", ["cross-attention", "prompt:60", "window:8"])
def test_an_ablation_reads_as_it_is_written(text):
    assert str(Ablation.parse(text)) == text


def test_without_cross_attention_only_the_local_windows_reach_the_prompt(tmp_path):
    """Three local layers of 4 tokens reach 9 tokens back; the global transformer reaches all of the prompt."""
    model = loaded(tmp_path, window=4)
    assert scores(model, question(0)) != scores(model, question(5))
    ablated = Ablation.parse("cross-attention").of_model(model, "lst")
    assert scores(ablated, question(0)) == scores(ablated, question(5))


def test_a_cut_prompt_is_a_shorter_question(tmp_path):
    model, whole = loaded(tmp_path), question()
    (cut,) = Ablation.parse("prompt:7").of_questions([whole])
    assert cut.prompt_T.tolist() == [whole.prompt_T[0], *whole.prompt_T[-7:]]
    assert scores(model, cut) != scores(model, whole)
    (uncut,) = Ablation.parse(f"prompt:{PROMPT}").of_questions([whole])
    assert uncut.prompt_T.tolist() == whole.prompt_T.tolist()


def test_a_window_is_that_of_a_model_made_with_it(tmp_path):
    asked = question()
    narrow = loaded(tmp_path / "narrow", window=4)
    wide = loaded(tmp_path / "wide", window=64)
    before = scores(wide, asked)
    assert scores(Ablation.parse("window:64").of_model(wide, "lst"), asked) == before
    assert scores(Ablation.parse("window:4").of_model(wide, "lst"), asked) == pytest.approx(scores(narrow, asked))
    assert scores(narrow, asked) != before


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with an LST, a baseline and spoken items, and the items' file."""
    store = Store(tmp_path / "root")
    quantizer = quantizer_artifact(store)
    for name, config in (("lst", latent_config()), ("baseline", baseline_config())):
        model_artifact(store, name, config, random_model(config))
    rng = np.random.default_rng(0)
    parts = ("prompt", "ending1", "ending2")
    units = {f"s{n}/{part}": rng.integers(UNITS, size=12).tolist() for n in range(8) for part in parts}
    tokens_artifact(store, "spoken", units, quantizer)
    sentences = [f"sentence{number}" for number in (1, 2, 3, 4)]
    with (tmp_path / "items.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["storyid", *sentences, "sentencequiz1", "sentencequiz2", "AnswerRightEnding"])
        table.writerows(
            [f"s{n}", "the cat", "sat on", "a mat", "the sun", "birds sang", "the dog", 1] for n in range(8)
        )
    return tmp_path


def lst(root: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output; 2 and the message where the user must change something."""
    result = CliRunner().invoke(app, ["--root", str(root / "root"), *arguments])
    if isinstance(result.exception, UserError):
        return 2, str(result.exception)
    return result.exit_code, " ".join(result.output.split())


def score(root: Path, model: str, *more: str) -> tuple[int, str]:
    items = ("--items", str(root / "items.csv"), "--tokens", "tokens/spoken", "--directions", "s-s")
    return lst(root, "eval", "storycloze", f"model/{model}", *items, *more)


def test_ablated_scores_are_an_artifact_of_their_own(root):
    assert score(root, "lst")[0] == 0
    code, shown = score(root, "lst", "--ablate", "cross-attention")
    assert code == 0 and "ablated: cross-attention" in shown
    store = Store(root / "root")
    ablated = read_scores(store.find("scores/lst-storycloze-no-cross-attention", SCORES))
    assert ablated["ablation"] == "cross-attention"
    assert "ablation" not in read_scores(store.find("scores/lst-storycloze", SCORES))


def test_a_baseline_has_no_cross_attention_to_switch_off(root):
    code, shown = score(root, "baseline", "--ablate", "cross-attention")
    assert code == 2 and "no patch decoder" in shown
    assert score(root, "baseline", "--ablate", "prompt:5")[0] == 0


def test_the_report_says_what_comes_through_the_patches(root):
    for more in ((), ("--ablate", "cross-attention"), ("--ablate", "prompt:5")):
        assert score(root, "lst", *more)[0] == 0
    names = ("lst-storycloze", "lst-storycloze-no-cross-attention", "lst-storycloze-prompt5")
    given = [option for name in names for option in ("--scores", f"scores/{name}")]
    code, shown = lst(root, "report", *given, "--out", str(root / "out"))
    assert code == 0, shown
    page = (root / "out" / "tables.md").read_text(encoding="utf-8")
    assert page.count("Through the patches: lst on StoryCloze, S→S") == 1
    assert page.count("Lost with --ablate prompt:5: lst on StoryCloze, S→S") == 1
    # One row of accuracies: the ablated scores are in no table.
    table = (root / "out" / "tables.csv").read_text(encoding="utf-8")
    assert table.count(",storycloze,") == 1


def test_ablated_scores_are_no_row_of_a_paper_table(root):
    for more in ((), ("--ablate", "cross-attention")):
        assert score(root, "lst", *more)[0] == 0
    code, shown = lst(root, "report", "table3", "--scores", "scores/lst-storycloze-no-cross-attention")
    assert code == 2 and "found:    no scores" in shown
