"""``--patching as-trained``: items scored with the patches of their alignment."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lst_cli.alignment.kinds import ALIGNMENT
from lst_cli.artifacts import Artifact, Request, Store
from lst_cli.audio.corpus_artifact import CORPUS
from lst_cli.errors import UserError
from lst_cli.evaluation.ablation import Ablation
from lst_cli.evaluation.aligned_items import read_words, with_words
from lst_cli.evaluation.directions import build_questions
from lst_cli.evaluation.scores import SCORES, read_scores
from lst_cli.evaluation.tasks import read_items
from lst_cli.evaluation.tasks.items import Item
from lst_cli.inference.likelihood import log_probabilities
from lst_cli.inference.shared_prompt import Question, plan
from lst_cli.inference.speech_tokens import read_units
from lst_cli.model.batch import make_batch
from lst_cli.model_artifact.card import LoadedModel
from lst_cli.patching.packed import Document, pack_documents
from lst_cli.units.tokens import TOKENS
from tests.evaluation.aligned_world import (
    AS_TRAINED,
    CASES,
    PARTS,
    SEPARATE,
    alignment_artifact,
    loaded,
    made_up,
    make_root,
    score,
)
from tests.evaluation.test_shared_scoring import as_rank


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


def asked(root: Path, model: LoadedModel, direction: str, items: list[Item] | None = None) -> list[Question]:
    """The questions of a direction, their speech cut by the alignment."""
    store = Store(root / "root")
    tokens, alignment = store.find("tokens/items", TOKENS), store.find("alignment/items", ALIGNMENT)
    items = items or read_items("storycloze", root / "stories.csv")
    units = read_units(tokens, {name for item in items for name in item.spoken})
    questions = build_questions(items, direction, model.tokenizer, model.speech, units)
    return with_words(questions, items, direction, read_words(alignment, tokens, items, model))


def whole(model: LoadedModel, question: Question, ending: int) -> float:
    """One ending by a plain forward pass over its document, whose patches open where an utterance or a word begins."""
    card, words = model.card, question.words
    assert words is not None
    document = Document(
        tokens=np.concatenate([question.prompt_T, question.endings[ending]]),
        loss_from=len(question.prompt_T),
        words=np.concatenate([words[0], words[1 + ending]]),
        border=len(question.prompt_T),
    )
    batch = make_batch(
        pack_documents([document], card.vocabulary, card.patcher, "aligned"),
        card.architecture,
        card.vocabulary,
        model.device,
    )
    with torch.no_grad():
        return float(model.model.log_probability(batch).double().sum())


@pytest.mark.parametrize("direction", ["s-s", "t-t", "s-t", "t-s"])
@pytest.mark.parametrize("case", CASES)
def test_shared_prompts_score_as_whole_documents_with_aligned_patches(root: Path, case: str, direction: str) -> None:
    model = loaded(root, CASES[case])
    questions = asked(root, model, direction)
    scores = dict(log_probabilities(model, questions))
    for index, question in enumerate(questions):
        expected = [whole(model, question, ending) for ending in range(2)]
        assert scores[index] == pytest.approx(expected, abs=1e-4)


def patches_of(question: Question, model: LoadedModel) -> list[list[int]]:
    """Lengths of the patches of each document of a question."""
    full = plan([question], model.card).full
    lengths_P = np.bincount(full.patch_T)
    return [lengths_P[full.document_P == number].tolist() for number in range(len(question.endings))]


def test_the_patches_are_the_words_and_silences_of_each_utterance(root: Path) -> None:
    model = loaded(root, SEPARATE)
    units, spans = made_up()

    def expected(name: str) -> list[int]:
        borders = sorted({0, len(units[name]), *(border for _, *span in spans[name] for border in span)})
        return np.diff(borders).tolist()

    for number, question in enumerate(asked(root, model, "s-s")):
        prompt = [1, *expected(f"s{number}/prompt")]
        assert patches_of(question, model) == [prompt + expected(f"s{number}/{part}") for part in PARTS[1:]]


def test_silence_is_merged_within_an_utterance_only(root: Path) -> None:
    model = loaded(root, CASES["merged"])
    units, spans = made_up()

    def expected(name: str) -> list[int]:
        borders = [0, *(start for _, start, _ in spans[name][1:]), len(units[name])]
        return np.diff(borders).tolist()

    # Silence at the end of the prompt and at the beginning of an ending: neither is a patch, nor do they touch.
    for number, question in enumerate(asked(root, model, "s-s")):
        prompt = [1, *expected(f"s{number}/prompt")]
        assert patches_of(question, model) == [prompt + expected(f"s{number}/{part}") for part in PARTS[1:]]


def test_text_is_one_token_a_patch_and_scored_as_without_an_alignment(root: Path) -> None:
    model = loaded(root, SEPARATE)
    questions = asked(root, model, "t-t")
    assert {length for question in questions for row in patches_of(question, model) for length in row} == {1}
    static = [Question(prompt_T=question.prompt_T, endings=question.endings) for question in questions]
    assert dict(log_probabilities(model, questions)) == dict(log_probabilities(model, static))
    spoken = asked(root, model, "s-s")
    static = [Question(prompt_T=question.prompt_T, endings=question.endings) for question in spoken]
    assert dict(log_probabilities(model, spoken)) != dict(log_probabilities(model, static))


def test_items_without_a_prompt(root: Path) -> None:
    """Whole utterances, as in sWUGGY: the marker is all there is to share."""
    model = loaded(root, SEPARATE)
    item = Item(id="s0", prompt="", endings=("one", "two"), label=0, utterances=("s0/prompt", "s0/ending1"))
    (question,) = asked(root, model, "s-s", [item])
    ((_, scores),) = log_probabilities(model, [question])
    assert scores == pytest.approx([whole(model, question, ending) for ending in range(2)], abs=1e-4)


def test_a_cut_prompt_keeps_the_words_of_what_is_left(root: Path) -> None:
    model = loaded(root, SEPARATE)
    questions = asked(root, model, "s-s")
    for before, cut in zip(questions, Ablation.parse("prompt:3").of_questions(questions), strict=True):
        assert before.words is not None and cut.words is not None
        assert cut.words[0].tolist() == [-1, *before.words[0][1:][-3:]]
        ((_, scores),) = log_probabilities(model, [cut])
        assert scores == pytest.approx([whole(model, cut, ending) for ending in range(2)], abs=1e-4)


def test_the_result_and_its_lineage_name_the_alignment(root: Path) -> None:
    printed = json.loads(score(root, "aligned", *AS_TRAINED, "--json"))
    store = Store(root / "root")
    alignment = store.find("alignment/items", ALIGNMENT)
    found = store.find("scores/aligned-storycloze-as-trained", SCORES)
    assert printed["patching"] == "as-trained" and printed["alignment"] == alignment.reference
    assert found.parents["alignment"].fingerprint == alignment.fingerprint
    score(root, "aligned")
    static = read_scores(store.find("scores/aligned-storycloze", SCORES))
    assert "patching" not in static and "alignment" not in static
    tables = [store.find(f"scores/aligned-storycloze{end}", SCORES) for end in ("", "-as-trained")]
    sums = [_sums(each) for each in tables]
    assert sums[0]["t-t"] == sums[1]["t-t"] and sums[0]["s-s"] != sums[1]["s-s"]


def _sums(scores: Artifact) -> dict[str, list[list[float]]]:
    from lst_cli.artifacts.parquet import read_parquet

    rows = read_parquet(scores.file("items.parquet")).to_pylist()
    return {way: [row["log_probs"] for row in rows if row["direction"] == way] for way in ("s-s", "t-t")}


def test_ranks_share_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score(root, "aligned", *AS_TRAINED, "--name", "alone")
    as_rank(monkeypatch, 1, 2)
    assert score(root, "aligned", *AS_TRAINED, "--name", "shared") == ""
    as_rank(monkeypatch, 0, 2)
    score(root, "aligned", *AS_TRAINED, "--name", "shared")
    store = Store(root / "root")
    alone, shared = (store.find(f"scores/{name}", SCORES).file("items.parquet") for name in ("alone", "shared"))
    assert alone.read_bytes() == shared.read_bytes()


@pytest.mark.parametrize(("model", "why"), [("curriculum", "ends with static"), ("mixed", "with static patches too")])
def test_a_model_that_needs_no_alignment_is_refused(root: Path, model: str, why: str) -> None:
    with pytest.raises(UserError, match=f"(?s)patching.strategy {model}.*{why}.*--patching static"):
        score(root, model, *AS_TRAINED)


def test_an_alignment_without_its_use_and_a_use_without_an_alignment(root: Path) -> None:
    with pytest.raises(UserError, match="--patching as-trained, which patches"):
        score(root, "aligned", "--alignment", "alignment/items")
    with pytest.raises(UserError, match="no --alignment"):
        score(root, "aligned", "--patching", "as-trained")
    with pytest.raises(UserError, match="no --tokens"):
        score(root, "aligned", *AS_TRAINED, tokens=False)


def test_items_that_the_alignment_lacks_are_named(root: Path) -> None:
    _, spans = made_up()
    del spans["s3/ending2"]
    alignment_artifact(Store(root / "root"), "part", spans)
    with pytest.raises(UserError, match=r"(?s)1 of the items' 18 utterances are missing.*no s3/ending2"):
        score(root, "aligned", "--patching", "as-trained", "--alignment", "alignment/part")


def test_an_alignment_of_something_else_is_refused(root: Path) -> None:
    store = Store(root / "root")
    units, spans = made_up()
    other = store.build(Request(kind=CORPUS, name="other", config={"voice": "two"}), lambda draft: None).artifact
    alignment_artifact(store, "other", spans, corpus=other)
    with pytest.raises(UserError, match="made from different corpora"):
        score(root, "aligned", "--patching", "as-trained", "--alignment", "alignment/other")
    longer = {**spans, "s2/prompt": [("the", 0, len(units["s2/prompt"]) + 1)]}
    alignment_artifact(store, "longer", longer)
    with pytest.raises(UserError, match="s2/prompt"):
        score(root, "aligned", "--patching", "as-trained", "--alignment", "alignment/longer")
