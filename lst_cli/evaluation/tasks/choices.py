"""Custom multiple choice: any JSONL of context, endings and label; and BIG-bench's JSON tasks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lst_cli.errors import UserError
from lst_cli.evaluation.tasks.items import Faults, Item, Task, read_utf8
from lst_cli.evaluation.tasks.tables import read_jsonl
from lst_cli.json_text import is_text, parse_json


def read_choices(path: Path) -> list[Item]:
    """Items of a JSONL with ``endings`` and ``label`` (from 0), and where there are such ``context`` and ``id``.

    ``utterances`` names the speech of the context (where there is one) and of each ending; ``category`` is for a
    breakdown. The id is the line without an ``id``; the text is taken as it stands, but for white space around it.
    """
    faults = Faults(path)
    items = []
    for line, row in read_jsonl(path, faults):
        fault = _fault(row)
        if fault:
            faults.add(line, fault)
            continue
        items.append(
            Item(
                id=str(line if row.get("id") is None else row["id"]),
                prompt=row.get("context", "").strip(),
                endings=tuple(ending.strip() for ending in row["endings"]),
                label=row["label"],
                utterances=tuple(row.get("utterances") or ()),
                category=str(row.get("category") or ""),
            )
        )
    faults.raise_any(
        expected='{"id": …, "context": text, "endings": [text, text, …], "label": 0, …} in every line',
        fix="correct or remove these lines",
    )
    return items


def _fault(row: dict[str, Any]) -> str | None:
    """The fault of a row, or None."""
    endings, label = row.get("endings"), row.get("label")
    if not isinstance(row.get("context", ""), str):
        return "context is not text"
    if not isinstance(endings, list) or len(endings) < 2:
        return "endings is not a list of two or more" if "endings" in row else "no endings"
    empty = [n for n, ending in enumerate(endings) if not isinstance(ending, str) or not ending.strip()]
    if empty:
        return f"ending {', '.join(map(str, empty))} is empty"
    if label is None:
        return "no label"
    if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < len(endings):
        return f"label is {label!r} with {len(endings)} endings"
    if not isinstance(row.get("id", ""), str | int | None):
        return "id is neither text nor a number"
    utterances = row.get("utterances") or []
    wanted = len(endings) + bool(row.get("context", "").strip())
    if utterances and not (
        isinstance(utterances, list)
        and len(utterances) == wanted
        and all(isinstance(name, str) and name for name in utterances)
    ):
        return f"utterances is not a list of {wanted} ids"
    return None


def read_bigbench(path: Path) -> list[Item]:
    """Items of a BIG-bench ``task.json`` with multiple choice: the input, and the keys of ``target_scores``.

    The input stands alone: prefixes such as ``Q:`` are made for text and are dropped, and the choices are not
    listed in it. The right ending is the one with the highest score; without a single highest there is a fault.

    :raises UserError: not JSON, no examples, or faulty ones; these are named by their number.
    """
    try:
        data = parse_json(read_utf8(path))
    except ValueError as error:
        raise UserError(f"{path}: not JSON", found=str(error)) from None
    examples = data.get("examples") if isinstance(data, dict) else None
    if not isinstance(examples, list) or not examples:
        raise UserError(f"{path}: no examples", expected="a BIG-bench task.json with a list 'examples'")
    faults = Faults(path, unit="example")
    items = []
    for number, example in enumerate(examples):
        scores = example.get("target_scores") if isinstance(example, dict) else None
        if not isinstance(scores, dict) or len(scores) < 2:
            faults.add(number, "no target_scores with two or more choices: not multiple choice")
        elif not is_text(example):
            faults.add(number, "half of a surrogate pair (\\ud800 to \\udfff), which is not text")
        elif not isinstance(example.get("input"), str) or not all(choice.strip() for choice in scores):
            faults.add(number, "no input, or an empty choice")
        elif not all(isinstance(score, int | float) and -math.inf < score < math.inf for score in scores.values()):
            faults.add(number, "a score in target_scores is not a number")
        elif list(scores.values()).count(max(scores.values())) != 1:
            faults.add(number, "several choices share the highest score")
        else:
            label = max(range(len(scores)), key=list(scores.values()).__getitem__)
            endings = tuple(choice.strip() for choice in scores)
            items.append(Item(id=str(number), prompt=example["input"].strip(), endings=endings, label=label))
    faults.raise_any(expected="input and target_scores with one right choice", fix="correct or remove these examples")
    return items


CHOICES = Task(
    name="choices",
    version=1,
    read=read_choices,
    about="multiple choice from any JSONL of context, endings and label",
)
BIGBENCH = Task(
    name="bigbench",
    version=1,
    read=read_bigbench,
    about="a BIG-bench task.json with multiple choice (Srivastava et al. 2022)",
)
