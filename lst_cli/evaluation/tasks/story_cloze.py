"""StoryCloze (Mostafazadeh et al. 2016) and TopicStoryCloze (Hassid et al. 2023): a story and two endings.

Both come as CSV with a header. The official releases of StoryCloze write ``InputStoryid`` and
``InputSentence1`` to ``InputSentence4``; copies in circulation write ``storyid`` and ``sentence1`` …, or the
Hugging Face names. All are read; case, spaces and underscores in a column's name don't matter.
TopicStoryCloze has the same columns: its wrong endings are drawn from stories of other topics. The spoken releases of
both are folders of recordings (:mod:`lst_cli.evaluation.tasks.recordings`).
"""

from __future__ import annotations

import re
from pathlib import Path

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults, Item, Task
from lst_cli.evaluation.tasks.recordings import read_recordings
from lst_cli.evaluation.tasks.tables import read_table

COLUMNS: dict[str, tuple[str, ...]] = {
    "InputStoryid": ("inputstoryid", "storyid"),
    **{f"InputSentence{n}": (f"inputsentence{n}", f"sentence{n}") for n in range(1, 5)},
    **{f"RandomFifthSentenceQuiz{n}": (f"randomfifthsentencequiz{n}", f"sentencequiz{n}") for n in (1, 2)},
    "AnswerRightEnding": ("answerrightending",),
}
"""Official column name → the spellings it is read under, in lower case without spaces and underscores."""

PROMPT = [f"InputSentence{n}" for n in range(1, 5)]
ENDINGS = ["RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2"]


def _columns(header: list[str], path: Path) -> dict[str, int]:
    """Official name → index in the header."""
    index = {re.sub(r"[\s_]", "", name).lower(): place for place, name in reversed(list(enumerate(header)))}
    places: dict[str, int] = {}
    missing: list[str] = []
    for name, spellings in COLUMNS.items():
        known = [index[spelling] for spelling in spellings if spelling in index]
        if known:
            places[name] = known[0]
        else:
            missing.append(name)
    if missing:
        raise UserError(
            f"{path}: no column {', '.join(missing)}",
            found=f"columns {', '.join(header)}",
            expected="the header of the official StoryCloze CSV",
            fix="give the release that has answers (its blind test set has none), or rename the columns"
            if "AnswerRightEnding" in missing
            else "rename the columns",
        )
    return places


def read_stories(path: Path) -> list[Item]:
    """Items of a StoryCloze CSV or TSV: four sentences joined by spaces, two endings, answer 1 or 2.

    A folder is taken for a spoken release.
    """
    if path.is_dir():
        return read_recordings(path)
    faults = Faults(path)
    header, rows = read_table(path, faults)
    places = _columns(header, path)
    found = [_item(row, places, line, faults) for line, row in rows]
    faults.raise_any(
        expected="an id, four sentences, two endings, and 1 or 2 as AnswerRightEnding in every row",
        fix="correct or remove these rows",
    )
    return [item for item in found if item is not None]


def _item(row: list[str], places: dict[str, int], line: int, faults: Faults) -> Item | None:
    """One row as an item; None with its faults noted where it isn't one."""
    cells = {name: row[at].strip() if at < len(row) else "" for name, at in places.items()}
    empty = [name for name, cell in cells.items() if not cell]
    if empty:
        faults.add(line, f"no {', '.join(empty)}")
        return None
    if cells["AnswerRightEnding"] not in ("1", "2"):
        faults.add(line, f"AnswerRightEnding is {cells['AnswerRightEnding']!r}")
        return None
    return Item(
        id=cells["InputStoryid"],
        prompt=" ".join(cells[name] for name in PROMPT),
        endings=tuple(cells[name] for name in ENDINGS),
        label=int(cells["AnswerRightEnding"]) - 1,
    )


STORYCLOZE = Task(
    name="storycloze",
    version=2,
    read=read_stories,
    about="which of two sentences ends a four-sentence story (Mostafazadeh et al. 2016); official CSV, or spoken",
)
TOPICSTORYCLOZE = Task(
    name="topicstorycloze",
    version=2,
    read=read_stories,
    about="story cloze with a wrong ending of another topic (Hassid et al. 2023); CSV, or spoken",
)
