"""Scoring a hand-made model whose right answers are known; shuffled labels give chance."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.evaluation.choice import items_table, primary_metric, score_items, summarise
from lst_cli.evaluation.directions import build_questions, check_prompts, check_spoken, parse_directions
from lst_cli.evaluation.tasks import TASKS, Item
from lst_cli.hashing import integers
from lst_cli.model_artifact.card import LoadedModel, load_model
from lst_cli.text.speech_codec import SpeechCodec
from lst_cli.text.tokenizer import TextTokenizer
from tests.inference.models import TEXT, UNITS, WORDS, bigram, model_artifact, tokenizer_bytes, vocabulary

N = 400
LIKELY = 0.8


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Expects unit u + 1 after unit u, the first piece after ``<t>``, and the pieces of TEXT in their order."""
    words = vocabulary()
    p_VV = np.full((words.size, words.size), (1 - LIKELY) / (words.size - 1))

    def follows(before: int, after: int) -> None:
        p_VV[before] = (1 - LIKELY) / (words.size - 1)
        p_VV[before, after] = LIKELY

    for unit in range(UNITS):
        follows(words.speech_start + unit, words.speech_start + (unit + 1) % UNITS)
    pieces = TextTokenizer(tokenizer_bytes()).encode(TEXT)
    for before, after in itertools.pairwise(pieces):
        follows(before, after)
    follows(words.s_marker, words.speech_start)
    follows(words.t_marker, pieces[0])
    store = Store(tmp_path_factory.mktemp("root"))
    return load_model(model_artifact(store, "counting", *bigram(np.log(p_VV).astype(np.float32))))


def counts(start: int, length: int, step: int = 1) -> np.ndarray:
    return (start + step * np.arange(length)).astype(np.uint16) % UNITS


def spoken_items() -> tuple[list[Item], dict[str, np.ndarray]]:
    """The right ending counts on, the wrong one counts on and then backwards; labels alternate."""
    items, units = [], {}
    for n in range(N):
        name, label = f"item{n}", n % 2
        items.append(Item(name, "prompt", ("one", "two"), label))
        length = 3 + n % 7
        units[f"{name}/prompt"] = counts(n, length)
        units[f"{name}/ending{label + 1}"] = counts(n + length, 5)
        units[f"{name}/ending{2 - label}"] = counts(n + length, 5, -1)
    return items, units


def shuffled(items: list[Item]) -> list[Item]:
    labels = integers(0, 1, 7, np.arange(len(items)))
    return [dataclasses.replace(item, label=int(label)) for item, label in zip(items, labels, strict=True)]


def test_the_known_model_knows_the_answers(counting: LoadedModel) -> None:
    items, units = spoken_items()
    row = summarise(TASKS["storycloze"], score_items(counting, items, "s-s", units))
    assert (row["accuracy"], row["n"], row["chance"], row["metric"]) == (1.0, N, 0.5, "accuracy_per_token")
    assert row["low"] == pytest.approx(0.9905, abs=1e-4) and row["high"] == 1.0
    wrong = [dataclasses.replace(item, label=1 - item.label) for item in items]
    assert summarise(TASKS["storycloze"], score_items(counting, wrong, "s-s", units))["accuracy"] == 0.0


def test_shuffled_labels_give_chance(counting: LoadedModel) -> None:
    items, units = spoken_items()
    row = summarise(TASKS["storycloze"], score_items(counting, shuffled(items), "s-s", units))
    assert row["low"] < 0.5 < row["high"] and row["high"] - row["low"] < 0.11


def test_scores_are_the_models_probabilities(counting: LoadedModel) -> None:
    items, units = spoken_items()
    score = score_items(counting, items[:1], "s-s", units)[0]
    unlikely = np.log((1 - LIKELY) / (vocabulary().size - 1))
    # Backwards: the first unit goes on, the four after it don't.
    assert score.log_probs_E == pytest.approx([5 * np.log(LIKELY), np.log(LIKELY) + 4 * unlikely], abs=1e-4)
    assert score.tokens_E == [5, 5]


def test_written_items(counting: LoadedModel) -> None:
    """Right endings go on in the known text, wrong ones are the same words backwards."""
    items = []
    for n in range(8):
        right, wrong = " ".join(WORDS[n + 6 : n + 10]), " ".join(reversed(WORDS[n + 6 : n + 10]))
        endings = (right, wrong) if n % 2 else (wrong, right)
        items.append(Item(str(n), " ".join(WORDS[:6]), endings, 1 - n % 2))
    task = TASKS["hellaswag"]
    scores = score_items(counting, items, "t-t", {})
    row = summarise(task, scores)
    assert row["metric"] == "accuracy_per_char" and row["accuracy"] > 0.8
    assert set(row["accuracies"]) == {"accuracy", "accuracy_per_token", "accuracy_per_char", "accuracy_per_byte"}
    table = items_table(task, scores)
    assert table["answer"].to_pylist() == [int(np.argmax(score.compared["accuracy_per_char"])) for score in scores]
    assert sum(table["credit"].to_pylist()) / len(items) == row["accuracy"]


@pytest.mark.parametrize(
    ("direction", "prompt", "ending"),
    [
        ("s-s", ["s", 0, 1, 2], [3, 4]),
        ("t-t", ["t", "the cat"], ["sat"]),
        ("s-t", ["s", 0, 1, 2, "t"], ["sat"]),
        ("t-s", ["t", "the cat", "s"], [3, 4]),
    ],
)
def test_questions_by_direction(direction: str, prompt: list[str | int], ending: list[str | int]) -> None:
    words, text = vocabulary(), TextTokenizer(tokenizer_bytes())

    def ids(parts: list[str | int]) -> list[int]:
        markers = {"s": [words.s_marker], "t": [words.t_marker]}
        return [
            token
            for part in parts
            for token in (
                [words.speech_start + part] if isinstance(part, int) else markers.get(part) or text.encode(part)
            )
        ]

    item = Item("x", "the cat", ("sat", "ran"), 0)
    units = {"x/prompt": counts(0, 3), "x/ending1": counts(3, 2), "x/ending2": counts(7, 1)}
    question = build_questions([item], direction, text, SpeechCodec(words), units)[0]
    assert question.prompt_T.tolist() == ids(prompt)
    assert question.endings[0].tolist() == ids(ending)


def test_primary_metrics() -> None:
    assert primary_metric(TASKS["hellaswag"], "s-t") == "accuracy_per_char"
    assert primary_metric(TASKS["hellaswag"], "t-s") == "accuracy_per_token"
    assert primary_metric(TASKS["storycloze"], "t-t") == "accuracy"


def test_directions() -> None:
    assert parse_directions("s-s, T-T", spoken=True) == ["s-s", "t-t"]
    for text, spoken, message in [
        ("s-x", True, "unknown: 's-x'"),
        ("", True, "expected: some of s-s"),
        ("t-t,t-t", True, "twice"),
        ("t-t,s-t", False, "no --tokens"),
    ]:
        with pytest.raises(UserError) as caught:
            parse_directions(text, spoken=spoken)
        assert message in " ".join(str(caught.value).split())


def test_missing_speech_is_named() -> None:
    item = Item("x", "the cat", ("sat", "ran"), 0)
    units = {"x/prompt": counts(0, 3), "x/ending1": counts(3, 2), "x/ending2": counts(7, 1)}
    check_spoken([item], units, "tokens/t", UNITS)
    with pytest.raises(UserError, match=r"no x/ending2"):
        check_spoken([item], {name: units[name] for name in list(units)[:2]}, "tokens/t", UNITS)
    with pytest.raises(UserError, match=r"no speech token(.|\n)*x/ending1"):
        check_spoken([item], {**units, "x/ending1": counts(0, 0)}, "tokens/t", UNITS)
    with pytest.raises(UserError, match=r"unit 7"):
        check_spoken([item], units, "tokens/t", 7)
    assert Item("y", "", ("a", "b"), 0).spoken == ("y/ending1", "y/ending2")


def test_pairs_without_a_prompt_have_no_mixed_direction() -> None:
    pair = Item("y", "", ("a", "b"), 0, utterances=("u", "v"))
    check_prompts([pair], ["s-s", "t-t"])
    with pytest.raises(UserError, match="s-t: the items have no prompt"):
        check_prompts([pair], ["s-s", "s-t"])
    text, units = TextTokenizer(tokenizer_bytes()), {"u": counts(0, 3), "v": counts(1, 1)}
    questions = build_questions([pair], "s-s", text, SpeechCodec(vocabulary()), units)
    assert questions[0].prompt_T.tolist() == [vocabulary().s_marker]
    assert [len(ending) for ending in questions[0].endings] == [3, 1]
