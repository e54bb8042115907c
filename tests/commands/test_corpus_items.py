from __future__ import annotations

from pathlib import Path

import pytest

from lst_cli.commands.data.corpus import _item_lines
from lst_cli.errors import UserError

HEADER = (
    "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,"
    "RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2,AnswerRightEnding\n"
)


def _write(path: Path, *ids: str) -> Path:
    path.write_text(HEADER + "".join(f"{id},One.,Two.,Three.,Four.,Good.,Bad.,1\n" for id in ids), encoding="utf-8")
    return path


def test_several_sets_are_spoken_into_one_corpus(tmp_path: Path) -> None:
    first, second = _write(tmp_path / "a.csv", "a1", "a2"), _write(tmp_path / "b.csv", "b1")
    lines = _item_lines([f"storycloze:{first}", f"topicstorycloze:{second}"])
    assert [line.id for line in lines] == [
        f"{item}/{piece}" for item in ("a1", "a2", "b1") for piece in ("prompt", "ending1", "ending2")
    ]
    assert {line.group for line in lines} == {"a1", "a2", "b1"}


def test_sets_that_share_an_id_are_refused_with_both_names(tmp_path: Path) -> None:
    first, second = _write(tmp_path / "a.csv", "x"), _write(tmp_path / "b.csv", "x")
    with pytest.raises(UserError, match=r"(?s)b\.csv: the item id x is also in storycloze:.*a\.csv"):
        _item_lines([f"storycloze:{first}", f"topicstorycloze:{second}"])


def test_a_set_needs_its_task(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="TASK:FILE"):
        _item_lines([str(_write(tmp_path / "a.csv", "x"))])
