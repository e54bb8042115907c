"""Right and wrong answers with their recordings, whatever those are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from lst_cli.artifacts import Store
from lst_cli.evaluation.tasks import Item
from lst_cli.reports.page.result_rows import read_rows
from lst_cli.reports.page.story_examples import StoryExamples, read_examples
from tests.reports.making import make_model, make_scores, make_spoken

STORY, RIGHT, WRONG = "Tom lost his key", "He found it", "She baked a pie"


def examples(root: Path, item: Item, texts: dict[str, str]) -> StoryExamples:
    store = Store(root)
    tokens, _ = make_spoken(store, "items", texts, made_by="synth")
    model = make_model(store, "base", "none")
    scores = make_scores(store, "base-storycloze", model, tokens, [item], {"s-s": 1.0})
    found = read_examples(store, read_rows(store, [scores]), {scores.reference: scores}, 4)
    assert found is not None
    return found


@pytest.mark.parametrize("prompt", [STORY, ""])
@pytest.mark.parametrize("named", [True, False])
def test_prompt_and_endings_can_be_heard(tmp_path: Path, prompt: str, named: bool) -> None:
    texts = [prompt, RIGHT, WRONG] if prompt else [RIGHT, WRONG]
    names = ("a-story", "a-right", "a-wrong")[-len(texts) :]
    item = Item("7", prompt, (RIGHT, WRONG), 0, utterances=names if named else ())
    (shown,) = examples(tmp_path, item, dict(zip(item.spoken, texts, strict=True))).shown
    heard = [shown.prompt_audio, *(ending.audio for ending in shown.endings)]
    assert [audio.startswith("data:audio/") for audio in heard] == [bool(prompt), True, True]
    assert len(set(heard)) == 3
