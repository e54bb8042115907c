"""Items scored with patches of text tokens, and with moved boundaries."""

from __future__ import annotations

from pathlib import Path

import pytest

from lst_cli.alignment.kinds import ALIGNMENT
from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.evaluation.aligned_items import read_words
from lst_cli.evaluation.scores import SCORES, read_scores
from lst_cli.evaluation.tasks import read_items
from lst_cli.evaluation.tasks.items import Item
from lst_cli.units.tokens import TOKENS
from tests.evaluation.aligned_world import AS_TRAINED, CASES, alignment_artifact, loaded, made_up, make_root, score


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


def test_patches_of_pieces_begin_with_their_first_character(root: Path) -> None:
    model = loaded(root, CASES["pieces"])
    units, spans = made_up()
    store = Store(root / "root")
    tokens, alignment = store.find("tokens/items", TOKENS), store.find("alignment/items", ALIGNMENT)
    words = read_words(alignment, tokens, read_items("storycloze", root / "stories.csv"), model)
    several = 0
    for name, found in words.items():
        expected = [-1] * len(units[name])
        first = 0
        offsets = model.tokenizer.piece_offsets([[word for word, _, _ in spans[name]]])[0]
        for (word, start, end), begins in zip(spans[name], offsets, strict=True):
            for n, begin in enumerate(begins):
                frame = start + (end - start) * begin // len(word)
                expected[frame:end] = [first + n] * (end - frame)
            first += len(begins)
            several += len(begins) > 1
        assert found.tolist() == expected
    assert several > 10
    alignment_artifact(store, "imported", spans, chars=False)
    with pytest.raises(UserError, match=r"(?s)spans=piece.*alignment/imported.*'lst align run"):
        read_words(
            store.find("alignment/imported", ALIGNMENT),
            tokens,
            [Item(id="s0", prompt="", endings=("one",), label=0, utterances=("s0/prompt",))],
            model,
        )


def test_moved_boundaries_are_in_the_result(root: Path) -> None:
    store = Store(root / "root")
    _, spans = made_up()
    alignment_artifact(store, "moved", spans, noise_ms=40.0)
    score(root, "aligned", "--patching", "as-trained", "--alignment", "alignment/moved", "--name", "moved")
    score(root, "aligned", *AS_TRAINED, "--name", "exact")
    moved, exact = (read_scores(store.find(f"scores/{name}", SCORES)) for name in ("moved", "exact"))
    assert moved["noise_ms"] == 40.0 and "noise_ms" not in exact
