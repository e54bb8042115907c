"""Which panels the lines of training curves give."""

from __future__ import annotations

from lst_cli.reports.drawing import curves
from lst_cli.reports.drawing.curves import title, with_stories


def test_stories_have_a_panel_of_their_own() -> None:
    lines = [
        {"step": 10, "split": "train", "positions": 640, "tokens": 900, "loss_text_only": 3.0},
        {"step": 10, "split": "valid", "source": "storycloze-s-s", "story_accuracy": 0.5},
        {"step": 10, "split": "valid", "source": "storycloze-t-t", "story_accuracy": 0.6},
        {"step": 20, "split": "train", "positions": 1280, "tokens": 1800, "loss_text_only": 2.0},
        {"step": 20, "split": "valid", "source": "storycloze-s-s", "story_accuracy": 0.7},
    ]
    found = with_stories(lines)
    assert [line.get("stories storycloze-s-s") for line in found] == [None, 0.5, None, None, 0.7]
    assert [line["positions"] for line in found] == [640, 640, 640, 1280, 1280]
    assert title("stories storycloze-s-s") == "storycloze-s-s, accuracy"
    (drawn,) = curves._lines(found, "positions", "stories storycloze-s-s", "a", 0)
    assert (drawn.x, drawn.y, drawn.valid) == ([640, 1280], [0.5, 0.7], False)
