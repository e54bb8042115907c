"""The multiple-choice benchmarks, one file each; this module lists them.

A task turns its published file into :class:`Item` objects. Its version goes up whenever the same file would
give other items (another cleaning, another join), and is kept with the file's sha256 in every result: two
scores can be compared when task version and sum are equal.
"""

from __future__ import annotations

from pathlib import Path

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.choices import BIGBENCH, CHOICES
from lst_cli.evaluation.tasks.hellaswag import HELLASWAG
from lst_cli.evaluation.tasks.items import Item, Task, check_items
from lst_cli.evaluation.tasks.salmon import SALMON
from lst_cli.evaluation.tasks.story_cloze import STORYCLOZE, TOPICSTORYCLOZE
from lst_cli.evaluation.tasks.zerospeech import SBLIMP, SWUGGY

__all__ = ["TASKS", "Item", "Task", "get_task", "read_items"]

TASKS: dict[str, Task] = {
    task.name: task for task in (STORYCLOZE, TOPICSTORYCLOZE, HELLASWAG, SWUGGY, SBLIMP, SALMON, BIGBENCH, CHOICES)
}


def get_task(name: str) -> Task:
    """The task of that name.

    :raises UserError: there is none; the known ones are listed.
    """
    if name not in TASKS:
        raise UserError(f"no task is called {name!r}", expected=f"one of: {', '.join(sorted(TASKS))}")
    return TASKS[name]


def read_items(task: str, path: Path) -> list[Item]:
    """Read a task's file, in the file's order.

    :raises UserError: the file is missing, empty or not UTF-8, lacks a column, or has faulty rows (a missing
        ending, a label that names none, an id used twice); the rows are named with their lines.
    """
    path = Path(path)
    return check_items(get_task(task).read(path), path)
